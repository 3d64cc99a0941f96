// Numbers as the page shows them: one form of percent, one minus sign.

export function percent(share) {
  const value = 100 * share;
  return `${value >= 9.95 || value === 0 ? value.toFixed(0) : value.toFixed(1)} %`;
}

export function bits(nats) {
  return nats / Math.LN2;
}

export function signed(number, digits) {
  const size = Math.abs(number).toFixed(digits);
  return Number(size) === 0 ? size : (number < 0 ? "−" : "+") + size;
}
