// The command tree about people and their ways in: login, logout, whoami, context, operator, kube. See login.ts for the work.
import { Option, type Command } from "commander";
import { parseDuration } from "../../shared/kit/config.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { addOperator, kubeLogin, listContexts, listOperators, login, logout, removeOperator, renewLogin, whoami } from "./login.ts";
import { bareName } from "./output.ts";
import type { Run } from "./run.ts";
import { listOperatorTokens, operatorToken, revokeOperatorToken } from "./tokens.ts";

export type WithRun = (command: Command, work: (run: Run) => Promise<void> | void) => Promise<void>;

export function addPeopleCommands(program: Command, withRun: WithRun, readStdin: () => string): void {
  program
    .command("login [server]")
    .description("log in to a relay, e.g. https://relay.example:8443; without one, renew the login of the context in use")
    .addOption(new Option("--token <token>", "a first-login token or an operator token; - reads it from standard input, where no other process sees it").env("BOWLINE_TOKEN"))
    .option("--ca <file>", "the relay's CA certificate, when it is private (DATA/tls/ca.crt at the relay)")
    .option("--name <name>", "name of the context; default: the relay's host and port")
    .action((server: string | undefined, options: { token?: string; ca?: string; name?: string }, command: Command) =>
      withRun(command, (run) => {
        if (server === undefined) return renewLogin(run);
        if (options.token === undefined) throw new Fault("USAGE", { what: "a login needs a token", why: "the relay's first start leaves one in DATA/first-login; later ones come from an operator", hint: `bowline login ${server} --ca FILE --token TOKEN\nbowline operator token NAME makes one` });
        return login(run, server, { caFile: options.ca ?? null, token: options.token === "-" ? readStdin().trim() : options.token, name: options.name ?? null });
      }),
    );
  program.command("logout").description("revoke this context's token and forget it").action((_options, command: Command) => withRun(command, logout));
  program.command("whoami").description("who the relay takes you for").action((_options, command: Command) => withRun(command, whoami));
  program
    .command("context [name]")
    .description("list the relays you know, or switch to one")
    .action((name: string | undefined, _options, command: Command) => withRun(command, (run) => listContexts(run, name ?? null)));
  addOperators(program.command("operator").description("people and programs that may use the relay"), withRun);
  const kube = program.command("kube").description("kubectl's way in");
  kube
    .command("login [sites...]")
    .description("write a kubeconfig with a context for each site (default: all) and one static token")
    .option("--ttl <duration>", "how long the token is good", parseDuration, parseDuration("8h"))
    .option("--file <file>", "where to write it; - prints it")
    .option("--static", "write the token into the file (the only way for now)")
    .action((sites: string[], options: { ttl: number; file?: string }, command: Command) => withRun(command, (run) => kubeLogin(run, { sites, ttlMs: options.ttl, file: options.file ?? null })));
}

function addOperators(operator: Command, withRun: WithRun): void {
  operator.command("ls").description("list operators").action((_options, command: Command) => withRun(command, listOperators));
  operator
    .command("add <name>")
    .description("add an operator")
    .option("--tier <tier>", "what they may do", "admin")
    .action((name: string, options: { tier: string }, command: Command) => withRun(command, (run) => addOperator(run, name, options.tier)));
  operator.command("rm <name>").description("remove an operator and revoke their tokens").action((name: string, _options, command: Command) => withRun(command, (run) => removeOperator(run, name)));
  const token = operator
    .command("token [name]")
    .description("make a token for an operator (default: yourself) and print it once")
    .option("--ttl <duration>", "how long it is good", parseDuration, parseDuration("30d"))
    .action((name: string | undefined, options: { ttl: number }, command: Command) => withRun(command, (run) => operatorToken(run, name ?? null, options.ttl)));
  token.command("ls").description("list the tokens that are good, by ids that are no secrets").action((_options, command: Command) => withRun(command, listOperatorTokens));
  token.command("revoke <id>").description("make one token useless").action((id: string, _options, command: Command) => withRun(command, (run) => revokeOperatorToken(run, bareName(id, "operator-token"))));
}
