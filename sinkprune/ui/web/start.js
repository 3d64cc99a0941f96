// Starts a component whose front end is a folder of modules: its main.js mounts it. Gradio runs this text as a function body, so the import
// is dynamic. What fails before the component can speak is said in its place for messages (props.message).
import(props.assets.url + "/main.js")
  .then((main) => main.mount(element, props, server, watch))
  .catch((error) => {
    console.error(error);
    const message = element.querySelector(props.message);
    message.parentElement.dataset.error = String(error);
    message.textContent = "This part of the page could not start: " + error.message;
  });
