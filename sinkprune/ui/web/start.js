// Starts the component in this element from its module. The import is dynamic because Gradio runs this text as a function body;
// what fails before the component can speak is said here.
import(props.assets.url + "/main.js")
  .then((main) => main.mount(element, props, server, watch, trigger))
  .catch((error) => {
    console.error(error);
    const message = element.querySelector("[data-message]");
    message.closest("section").dataset.error = String(error);
    message.textContent = `This part of the page could not start: ${error.message}`;
  });
