// Proposes an address while the company's name is typed, until the visitor writes one themselves.
const form = document.querySelector("[data-signup]");
const company = form.elements.company;
const subdomain = form.elements.subdomain;
let proposing = subdomain.value === "";

const proposal = (name) =>
  name
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, " ")
    .trim()
    .replace(/ /g, "-")
    .slice(0, 40)
    .replace(/-+$/, "");

company.addEventListener("input", () => {
  if (proposing) subdomain.value = proposal(company.value);
});
subdomain.addEventListener("input", () => {
  proposing = subdomain.value === "";
});
