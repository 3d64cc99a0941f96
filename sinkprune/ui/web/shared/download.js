// Saves a Blob as a file of the visitor's.

const KEPT_MS = 60_000; // a browser may ask before it saves

export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS);
}
