"""The token endpoint's grants, one module each: a function from `Call` to the answer's JSON, or a refusal."""
