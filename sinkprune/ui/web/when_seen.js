// Sends "click" once, when the element comes near the visible part of the page: what follows is drawn only for those who scroll to it.
const seen = new IntersectionObserver(([entry]) => {
  if (!entry.isIntersecting) return;
  seen.disconnect();
  trigger("click");
}, { rootMargin: "300px" });
setTimeout(() => seen.observe(element), 1500); // by then the player above has its height
