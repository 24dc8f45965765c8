// Who may send next: members that are small or interactive first, then the rest one frame each in a circle. Interactive traffic cannot starve
// bulk: after seven parts interactive one part bulk leaves. Members are linked in place, so that waking one costs no allocation. Pure.

export interface Member {
  next: Member | null;
  isQueued: boolean;
  /** Octets per turn, or 0 for the link's frame size; letter lanes have weights. */
  readonly quantum: number;
}

/** Octets of interactive members that may leave for one of bulk that waits; bulk is owed as soon as they make a frame. */
const interactiveShare = 7;

class Ring {
  #head: Member | null = null;
  #tail: Member | null = null;
  length = 0;

  push(member: Member): void {
    member.next = null;
    if (this.#tail === null) this.#head = member;
    else this.#tail.next = member;
    this.#tail = member;
    this.length += 1;
  }

  shift(): Member | null {
    const member = this.#head;
    if (member === null) return null;
    this.#head = member.next;
    if (this.#head === null) this.#tail = null;
    member.next = null;
    this.length -= 1;
    return member;
  }
}

export class Scheduler {
  readonly #first = new Ring();
  readonly #rest = new Ring();
  #interactiveOctets = 0;

  /** Puts a member behind the others of its class; nothing when it already waits. */
  wake(member: Member, goesFirst: boolean): void {
    if (member.isQueued) return;
    member.isQueued = true;
    (goesFirst ? this.#first : this.#rest).push(member);
  }

  /** The member whose turn it is; it no longer waits and is to be woken again when it has more. */
  pick(frameOctets: number): Member | null {
    const bulkIsOwed = this.#rest.length > 0 && this.#interactiveOctets >= interactiveShare * frameOctets;
    const member = bulkIsOwed ? this.#rest.shift() : (this.#first.shift() ?? this.#rest.shift());
    if (member !== null) member.isQueued = false;
    return member;
  }

  /** Accounts for what the picked member sent. */
  sent(octets: number, asInteractive: boolean): void {
    if (!asInteractive) this.#interactiveOctets = Math.max(0, this.#interactiveOctets - interactiveShare * octets);
    else this.#interactiveOctets = this.#rest.length > 0 ? this.#interactiveOctets + octets : 0;
  }

  /** Members that wait. */
  get waiting(): number {
    return this.#first.length + this.#rest.length;
  }
}
