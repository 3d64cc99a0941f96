// Above a figure: "CSV" and "JSON" ask the server for the numbers ("submit" with the format); they come back as the value and are saved.
for (const button of element.querySelectorAll("button[data-format]")) {
  button.addEventListener("click", () => trigger("submit", { format: button.dataset.format }));
}
watch("value", () => {
  const file = props.value; // {name, type, text, asked}; asked differs every time, so that the same file can be saved twice
  if (!file?.text) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([file.text], { type: file.type }));
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
});
