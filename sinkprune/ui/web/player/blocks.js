// What a lane's frames say about blocks and caches.

// True for a forward pass that left rows to a key-value cache.
export function skipsRows(frame) {
  return frame.rows[1] - frame.rows[0] < frame.visible;
}

// Step and position range of every block, as far as it was written.
export function blockRanges(lane, blockLength) {
  const blocks = [];
  lane.frames.forEach((frame, step) => {
    const block = (blocks[frame.block] ??= { from: step, to: step, start: Infinity, end: 0 });
    block.to = step + 1;
    for (const position of frame.committed) {
      block.start = Math.min(block.start, position);
      block.end = Math.max(block.end, position + 1);
    }
    if (!blockLength) return;
    block.start = lane.promptLength + frame.block * blockLength;
    block.end = block.start + blockLength;
  });
  return blocks.filter((block) => block && block.end > block.start);
}
