"""The token endpoint's grants, one module each: a function from `Call` to the response's JSON, or a refusal."""
