for (const pair of document.querySelectorAll(".pair")) {
  const slider = pair.querySelector(".slider");
  const input = pair.querySelector("input");
  const move = () => slider.style.setProperty("--at", `${input.value}%`);
  input.addEventListener("input", move);
  move();
}
