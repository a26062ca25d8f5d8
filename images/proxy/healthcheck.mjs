// Checks whether the proxy answers, with or without the hub.
const answer = await fetch("http://127.0.0.1:8000/_chp_healthz", {
  signal: AbortSignal.timeout(4000),
});
if (!answer.ok) {
  console.error(`the proxy answered ${answer.status}`);
  process.exit(1);
}
