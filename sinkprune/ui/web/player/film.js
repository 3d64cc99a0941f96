// The run as a film: every tick of the clock once, as fast as the player plays, recorded from a canvas by the browser itself.

const TYPES = ["video/webm;codecs=vp9", "video/webm;codecs=vp8", "video/webm", "video/mp4"];
const LAST_MS = 1200; // the last frame stays this long

export function filmType() {
  return globalThis.MediaRecorder ? TYPES.find((type) => MediaRecorder.isTypeSupported(type)) : undefined;
}

// frames: [{show(): paints the canvas, milliseconds}]; progress(index): before each of them; it may throw to give up. Returns a Blob.
export async function recordFilm(canvas, frames, progress, type = filmType()) {
  if (!type) throw new Error("this browser cannot record films");
  const stream = canvas.captureStream(0);
  const [track] = stream.getVideoTracks();
  const recorder = new MediaRecorder(stream, { mimeType: type, videoBitsPerSecond: 6e6 });
  const parts = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  const stopped = new Promise((done, failed) => Object.assign(recorder, { onstop: done, onerror: ({ error }) => failed(error) }));
  recorder.start();
  try {
    for (const [index, frame] of frames.entries()) {
      progress(index);
      frame.show();
      track.requestFrame();
      await wait(frame.milliseconds);
    }
    await wait(LAST_MS);
    track.requestFrame();
  } finally {
    recorder.stop();
    await stopped;
    track.stop();
  }
  return new Blob(parts, { type: type.split(";")[0] });
}

function wait(milliseconds) {
  return new Promise((done) => setTimeout(done, milliseconds));
}
