"""Rules for attention, which torch has as one operation."""

from __future__ import annotations

import math

from convsmith.backend.read.laid import Known, Laid
from convsmith.backend.read.module.call import Call, Symbol, rule
from convsmith.backend.read.module.rules.arithmetic import combine
from convsmith.backend.read.module.rules.layers import product
from convsmith.backend.read.module.rules.pointwise import soften


@rule("scaled_dot_product_attention")
def attention(call: Call) -> Symbol:
    """softmax(query key^T * scale + mask) value, over the last two dims."""
    query, key, value = call.laid("query"), call.laid("key"), call.laid("value")
    if call["is_causal"] or call.get("enable_gqa"):
        call.refuse("attention that is causal or shares keys between heads", "attend to every position")
    scale = call["scale"] if call["scale"] is not None else 1 / math.sqrt(query.sizes[-1])
    rank = len(key.sizes)
    turned = Laid(key.value, key.axes.permuted([*range(rank - 2), rank - 1, rank - 2]))
    weights = product(call, combine(call, "mul", query, scale), turned)
    if call["attn_mask"] is not None:
        mask = call["attn_mask"]
        if isinstance(mask, Known) and not mask.tensor.is_floating_point():
            call.refuse("attention with a mask of truth values", "add a mask of numbers")
        weights = combine(call, "add", weights, mask)
    return product(call, soften(call, weights, rank - 1), value)
