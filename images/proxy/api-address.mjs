// Prints the container's address in the network "control", where the proxy's API listens.
// The engine resolves the name. It may be away while the container starts, so this waits for it.
import { lookup } from "node:dns/promises";
import { networkInterfaces } from "node:os";
import { setTimeout } from "node:timers/promises";

const NAME = "proxy-api";

async function findAddress() {
  const own = Object.values(networkInterfaces())
    .flat()
    .map(({ address }) => address);
  const found = await lookup(NAME, { all: true }).catch(() => []);
  return found.find(({ address }) => own.includes(address))?.address;
}

let address = await findAddress();
if (!address) {
  console.error(`Waiting until the Docker Engine resolves the name "${NAME}" to this container.`);
}
while (!address) {
  await setTimeout(200);
  address = await findAddress();
}
console.log(address);
