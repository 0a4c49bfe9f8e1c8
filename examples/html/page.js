// What happens in the show is told by DOM events; what people write is text, and goes into the page as text.

const show = document.querySelector("fanwave-show");
const standing = document.querySelector("#standing");
const said = document.querySelector("#said");

show.addEventListener("state", ({ detail }) => {
  standing.textContent = detail.live ? "On air" : "Waiting for the show";
});
show.addEventListener("message", ({ detail }) => {
  said.textContent = `${detail.name}: ${detail.text}`;
});
