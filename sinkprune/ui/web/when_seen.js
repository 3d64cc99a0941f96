// Sends "click" once, when the element comes near the visible part of the page: what follows is drawn only for those who scroll to it.
const seen = new IntersectionObserver(([entry]) => {
  if (!entry.isIntersecting) return;
  seen.disconnect();
  trigger("click");
}, { rootMargin: "300px" });
const started = () => document.querySelector(".sp-player[data-ready], [data-error]"); // only then the player above gets its height
const look = () => (started() ? setTimeout(() => seen.observe(element), 1500) : setTimeout(look, 300));
look();
