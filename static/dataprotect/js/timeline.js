/* A click on the timeline types the instant into the form below it, and sends the form. */
document.addEventListener("click", (event) => {
  const picture = event.target.closest("[data-timeline]");
  if (!picture) return;
  const box = picture.getBoundingClientRect();
  const [start, end] = [Number(picture.dataset.start), Number(picture.dataset.end)];
  const left = Number(picture.dataset.left) * box.width, width = box.width - left;
  const share = Math.min(1, Math.max(0, (event.clientX - box.left - left) / width));
  const form = document.getElementById(picture.dataset.timeline);
  form.elements.at.value = new Date(start + share * (end - start)).toISOString().replace(/\.\d+Z$/, "Z");
  form.requestSubmit();
});
