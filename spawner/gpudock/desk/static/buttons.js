// Links that look like buttons work like buttons, as on the Hub's pages: Space follows them, too.
document.addEventListener('keydown', event => {
  const button = event.target.closest('a[role=button][href]');
  if (button && event.key === ' ') {
    event.preventDefault();
    button.click();
  }
});
