// A playhead over the waveform; a click on a word or a patch plays from there.
for (const figure of document.querySelectorAll("figure.recording")) {
  const audio = figure.querySelector("audio");
  const head = figure.querySelector(".playhead");
  const scroll = figure.querySelector(".scroll");
  const scale = Number(figure.dataset.pixelsPerSecond);
  const move = () => {
    const x = audio.currentTime * scale;
    head.setAttribute("x1", x);
    head.setAttribute("x2", x);
    head.classList.add("on");
    if (x < scroll.scrollLeft || x > scroll.scrollLeft + scroll.clientWidth * 0.85) {
      scroll.scrollLeft = x - scroll.clientWidth * 0.2;
    }
    if (!audio.paused) requestAnimationFrame(move);
  };
  audio.addEventListener("play", move);
  audio.addEventListener("seeked", move);
  figure.addEventListener("click", (event) => {
    const start = event.target.dataset?.start;
    if (start === undefined) return;
    audio.currentTime = Number(start);
    audio.play().catch(() => {}); // browsers may require a click on the player first
  });
}
// One recording at a time.
document.addEventListener("play", (event) => {
  for (const audio of document.querySelectorAll("audio")) if (audio !== event.target) audio.pause();
}, true);
