// Ends the open WebSockets of a route when the Hub deletes the route. The proxy itself leaves them
// open, so that somebody whose account is deactivated could go on in the kernels of an open page.
import { Server } from "node:http";

const API = "/api/routes";
const routes = new Set();
// Each socket and the route that it came by.
const sockets = new Map();
const emit = Server.prototype.emit;

/** Returns a path as routes are compared: decoded, and with a slash at its end. */
function normalize(url) {
  const path = url.split("?", 1)[0].replace(/\/+$/, "");
  try {
    return `${decodeURIComponent(path)}/`;
  } catch {
    return `${path}/`;
  }
}

/** Returns the longest route that a path is under. */
function routeOf(path) {
  return [...routes]
    .filter(route => path.startsWith(route))
    .reduce((longest, route) => (route.length > longest.length ? route : longest), "");
}

function keep(url, socket) {
  sockets.set(socket, routeOf(normalize(url)));
  socket.once("close", () => sockets.delete(socket));
}

function change(method, route) {
  if (method === "POST") {
    routes.add(route);
    return;
  }
  routes.delete(route);
  for (const [socket, itsRoute] of sockets) {
    if (itsRoute === route) {
      socket.destroy();
    }
  }
}

Server.prototype.emit = function (event, request, ...rest) {
  if (event === "upgrade") {
    keep(request.url, rest[0]);
  } else if (event === "request" && request.url.startsWith(`${API}/`)) {
    const [response] = rest;
    const { method } = request;
    const route = normalize(request.url.slice(API.length));
    response.once("finish", () => {
      // On the public port nobody gets these answers at this path: the Hub has no page there.
      const wanted = { POST: 201, DELETE: 204 };
      if (response.statusCode === wanted[method]) {
        change(method, route);
      }
    });
  }
  return emit.call(this, event, request, ...rest);
};
