"""Which duplicates stay, by the definition: a unit goes where one that it may go in favour of stays. No circles."""


def choose_survivors(num_units, pairs, is_first_worse, has_enough):
    """(list of bool, {mixture: parts})"""
    are_pair = {frozenset(pair) for pair in pairs}
    parts = {whole: [] for whole in range(num_units)}
    for one, other in pairs:
        if has_enough[one][other] and not has_enough[other][one]:
            parts[other].append(one)
        if has_enough[other][one] and not has_enough[one][other]:
            parts[one].append(other)
    mixtures = {
        whole: tuple(sorted(own))
        for whole, own in parts.items()
        if any(frozenset((a, b)) not in are_pair for a in own for b in own if a != b)
    }
    winners = {unit: [] for unit in range(num_units)}
    for (one, other), is_one_worse in zip(pairs, is_first_worse, strict=True):
        worse, better = (one, other) if is_one_worse else (other, one)
        if has_enough[one][other] and has_enough[other][one]:
            winners[worse].append(better)
        elif has_enough[one][other] and other not in mixtures:
            winners[one].append(other)
        elif has_enough[other][one] and one not in mixtures:
            winners[other].append(one)

    def stays(unit):
        return not any(stays(winner) for winner in winners[unit])

    return [stays(unit) for unit in range(num_units)], mixtures
