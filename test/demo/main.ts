// Entry of the demo, called by `npm run demo` and by `bowline demo`: exit codes and the last words. Compiled code is kept below node_modules, for this process and
// for those that it starts: five programs of the product begin at once, and a second start takes half the processor time (measured).
import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";
import { asFault, faultText } from "../../shared/kit/errors.ts";

enableCompileCache(fileURLToPath(new URL("../../node_modules/.cache/bowline-demo", import.meta.url)));

// A reader that left, or a terminal that was closed, is no reason to leave processes behind.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
try {
  const { demo } = await import("./verbs.ts");
  await demo(process.argv.slice(2));
  process.exit(0); // whoever asked for the stop waits for this process' end
} catch (error) {
  const fault = asFault(error);
  process.stderr.write(`${faultText(fault)}\n`);
  if (fault.family === "bug" && fault.cause instanceof Error) process.stderr.write(`${fault.cause.stack ?? ""}\n`);
  process.exit(fault.exitCode);
}
