// Puts the text of a chosen file into the field beside it, so that it can be sent as a plain form.
for (const chooser of document.querySelectorAll("input[type=file][data-fills]")) {
  const field = document.getElementById(chooser.dataset.fills);
  chooser.closest("[hidden]")?.removeAttribute("hidden");
  chooser.addEventListener("change", async () => {
    const file = chooser.files[0];
    if (file) field.value = await file.text();
    const title = document.getElementById(chooser.dataset.names);
    if (file && title && !title.value) title.value = file.name.replace(/\.[^.]*$/, "");
    const kind = document.getElementById(chooser.dataset.kinds);
    const known = { csv: "faq_csv", txt: "text", md: "markdown" }[file?.name.split(".").pop().toLowerCase()];
    if (kind && known) kind.value = known;
  });
}
