// What comes out of the mux: effects that its owner drains after each input, in order. Nothing calls out from inside the mux. Pure, types only.
import type { Fault } from "../kit/errors.ts";
import type { CodeName } from "../wire/codes.ts";
import type { Bye, LetterStatus, RequestHead, ResponseHead } from "../wire/message.ts";

export type StreamId = number;

export type Effect =
  | { readonly kind: "open"; readonly id: StreamId; readonly head: RequestHead }
  | { readonly kind: "head"; readonly id: StreamId; readonly head: ResponseHead }
  /** A view into the received message. */
  | { readonly kind: "data"; readonly id: StreamId; readonly chunk: Uint8Array }
  /** The peer's FIN, after its octets. */
  | { readonly kind: "end"; readonly id: StreamId }
  | { readonly kind: "stop"; readonly id: StreamId; readonly code: CodeName }
  /** The stream is over; `local` when we ended it because the peer broke a rule. */
  | { readonly kind: "reset"; readonly id: StreamId; readonly code: CodeName; readonly reason: string; readonly local: boolean }
  /** Both directions are complete. */
  | { readonly kind: "closed"; readonly id: StreamId }
  /** The queue fell under its mark after `write` had said false. */
  | { readonly kind: "writable"; readonly id: StreamId }
  | { readonly kind: "letter"; readonly number: number; readonly offset: number; readonly total: number; readonly chunk: Uint8Array }
  /** The peer has the letter's last octet. */
  | { readonly kind: "letterAcked"; readonly handle: string }
  | { readonly kind: "settled"; readonly handle: string; readonly status: LetterStatus }
  | { readonly kind: "letterRoom" }
  | { readonly kind: "held"; readonly payload: Uint8Array }
  | { readonly kind: "bye"; readonly bye: Bye }
  /** The link must end: say BYE with this code, close. */
  | { readonly kind: "fail"; readonly fault: Fault; readonly code: CodeName }
  | { readonly kind: "roundTrip"; readonly ms: number; readonly peerWallMs: number };
