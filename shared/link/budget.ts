// Grown credit of all links of this process together: windows above their start are memory that the process may have to hold. Shared by every link.ts of it.
import { GrowthBudget } from "../mux/credit.ts";
import { creditProcessBytesMax } from "../wire/limits.ts";

export const processBudget = new GrowthBudget(creditProcessBytesMax);
