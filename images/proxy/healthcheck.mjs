// Checks whether the proxy answers, with or without the hub, and whether the hub can reach its API.
import { once } from "node:events";
import { connect } from "node:net";

const signal = AbortSignal.timeout(4000);

async function checkPages() {
  const answer = await fetch("http://127.0.0.1:8000/_chp_healthz", { signal });
  if (!answer.ok) {
    throw new Error(`the status is ${answer.status}`);
  }
}

// A request without the token would be a warning in the proxy's log each time.
async function checkAPI() {
  const socket = connect(8001, "proxy-api");
  await once(socket, "connect", { signal });
  socket.destroy();
}

const checks = { "The proxy": checkPages, "The proxy's API": checkAPI };
const results = await Promise.allSettled(Object.values(checks).map((check) => check()));
const failures = Object.keys(checks).flatMap((name, place) =>
  results[place].status === "rejected"
    ? [`${name} does not answer: ${results[place].reason.message}.`]
    : [],
);
if (failures.length > 0) {
  console.error(failures.join(" "));
  process.exit(1);
}
