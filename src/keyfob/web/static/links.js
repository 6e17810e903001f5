// The pages that links in mails open: the token is in the fragment, which keeps it from servers'
// logs and the Referer. It goes into the form, which only looks the link up, and out of the history.
const token = new URLSearchParams(location.hash.slice(1)).get("token");
const form = document.querySelector("[data-link-form]");
if (token && form) {
  history.replaceState(null, "", location.pathname + location.search);
  form.querySelector("[name=token]").value = token;
  form.requestSubmit();
}
