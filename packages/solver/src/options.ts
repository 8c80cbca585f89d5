import type { KvType, Mode } from '@thermocline/contracts';

/** What a plan is solved for. Bytes are whole numbers, times seconds. */
export interface SolveOptions {
  /** `latency` (default): least time per token; `impact`: the objective of PowerInfer §6. */
  objective?: 'latency' | 'impact';
  /** GPU memory that may be used; default: what the hardware has available. */
  vramBudgetBytes?: number;
  /** System memory that may be used; default: what the hardware has available. */
  ramBudgetBytes?: number;
  /** How the FFN will be computed; default `exact` for the ReLU family, else `dense`. */
  mode?: Mode;
  /** Tokens the KV cache must hold; default: the model's context, at most 4,096. */
  contextTokens?: number;
  /** Default `f16`. */
  kvType?: KvType;
  /** Bytes of the predictors of each layer; default none. [layers] */
  predictorBytes?: readonly number[];
  /** Σ predicted ÷ Σ firing, for `predicted`; default 1.4. */
  overPrediction?: number;
  /**
   * `own` (default): made for this problem, with a proven gap; `highs`: the general solver, for
   * small models.
   */
  method?: 'own' | 'highs';
  /** The best plan so far is the result when it runs out. */
  timeLimitMs?: number;
  /** Hears what a person should know, such as what the profile does not say. */
  onNotice?: (notice: string) => void;
}
