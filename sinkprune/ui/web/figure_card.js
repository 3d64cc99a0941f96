// Above a figure: "CSV" and "JSON" ask the server for the numbers ("submit" with the format); they come back as the value and are saved.
for (const button of element.querySelectorAll("button[data-format]")) {
  button.addEventListener("click", () => trigger("submit", { format: button.dataset.format }));
}
// To a screen reader the drawing is one image, told by its title and the sentence below it instead of by every tick.
setTimeout(() => {
  const name = element.closest("[id$='-head']").id.replace(/-head$/, "");
  const figure = document.getElementById(`${name}-figure`);
  figure?.setAttribute("role", "img");
  figure?.setAttribute("aria-label", element.querySelector("h3").textContent);
  figure?.setAttribute("aria-describedby", `${name}-words`);
}, 1000); // by then the figure's place is there, too
watch("value", async () => {
  const file = props.value; // {name, type, text, asked}; asked differs every time, so that the same file can be saved twice
  if (!file?.text) return;
  const { download } = await import(props.assets.url + "/download.js");
  download(new Blob([file.text], { type: file.type }), file.name);
});
