// Sends "click" once, when the element comes near the visible part of the page: what follows is drawn only for those who scroll to it.
const seen = new IntersectionObserver(([entry]) => {
  if (!entry.isIntersecting) return;
  seen.disconnect();
  trigger("click");
}, { rootMargin: "300px" });
// A player above that is still starting has no height yet, so that everything below it seems near.
const starting = () => document.querySelector(".sp-player:not([data-ready])") && !document.querySelector("[data-error]");
const look = () => (starting() ? setTimeout(look, 300) : seen.observe(element));
setTimeout(look, 1500);
