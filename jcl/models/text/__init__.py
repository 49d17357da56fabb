"""Encoders of texts that are token ids, {"ids": int32 [N, L], "mask": bool [N, L]}."""
