// A process that stores pebbles one by one and says of each what the store said, whatever that is; started under faults of the disk by the tests beside it. Each line: `ok ID`,
// `no ID CODE`, at the end `closed`. Not started: `refused CODE` and the four parts.
import { asFault, faultText } from "../../shared/kit/errors.ts";
import { StoreEngine } from "../../shared/kit/store-engine.ts";
import * as module from "../kit/pebbles.ts";

const [file, count, octets, first] = process.argv.slice(2) as [string, string, string, string];

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

let engine: StoreEngine;
try {
  engine = new StoreEngine({ file, module, mustExist: false });
} catch (error) {
  const fault = asFault(error);
  say(`refused ${fault.code} ${faultText(fault)}`);
  process.exit(1);
}
for (let index = 1; index <= Number(count); index += 1) {
  const id = `${first}-${String(index).padStart(3, "0")}`;
  try {
    const outcome = engine.runGroup([{ name: "put", args: { id, octets: new Uint8Array(Number(octets)) } }])[0]!;
    say(outcome.ok ? `ok ${id}` : `no ${id} ${outcome.fault.code}`);
  } catch (error) {
    say(`no ${id} ${asFault(error).code} ${asFault(error).why}`);
  }
}
engine.close();
say("closed");
