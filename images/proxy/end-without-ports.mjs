// Ends the proxy if it cannot listen. The proxy itself goes on after any error, without its API or
// without its pages. The restart policy of the container starts it again.
process.on("uncaughtExceptionMonitor", (error) => {
  if (["bind", "listen"].includes(error.syscall)) {
    console.error(`The proxy cannot listen: ${error.message}. It ends, to be started again.`);
    process.exit(1);
  }
});
