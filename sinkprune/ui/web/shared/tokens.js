// Tokens that end a text, in the vocabularies of the models that this page knows.

const END_TOKENS = new Set(["<|im_end|>", "<|endoftext|>", "<|eot_id|>", "</s>", "<eos>"]);

export function isEnd(text) {
  return END_TOKENS.has(text);
}
