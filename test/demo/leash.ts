// Loaded before the product's own entry in every process that the demo starts (`--import`). The demo holds the other end of descriptor 3: when it is gone,
// however it ended, this process ends at once. What a killed demo leaves is worth nothing, so nothing is drained.
import { Socket } from "node:net";
import { isMainThread } from "node:worker_threads";

const leashFd = 3;

// Worker threads load what their process loads; one leash a process is enough.
if (isMainThread) {
  const leash = new Socket({ fd: leashFd, readable: true, writable: false });
  leash.on("error", () => {});
  leash.once("close", () => process.kill(process.pid, "SIGKILL"));
  leash.resume().unref();
}
