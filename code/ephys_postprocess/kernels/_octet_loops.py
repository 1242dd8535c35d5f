"""The innermost loops of `octets`, in LLVM code: eight neighboring channels as one vector, whatever its width.

Channels never meet in a sum, and products are rounded before they are added, so the bytes are the same on any
processor. Each function stands here twice: with numpy, as what it means (and for runs without a compiler), and as code.
Arrays must be C-contiguous; numba refuses others when it compiles.
"""

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

OCTET = 8
NUM_CHAINS = 4  # running sums side by side, so that none waits for its last addition
NUM_LANES = 8  # running sums that numpy keeps side by side in a sum along contiguous memory

_INT64 = ir.IntType(64)


def _sum_products_of_arrays(traces, first_row, num_rows, channel, weights, sums):
    """Add products of traces with weights over rows to each channel's sum.

    Parameters
    ----------
    traces : int16 or float32 (num_traces, num_channels)
    first_row, num_rows, channel : int
        Rows first_row:first_row + num_rows of channels channel:channel + OCTET, which must all exist.
    weights : float32 or float64 (at least num_rows, OCTET)
    sums : float64 (OCTET,)
        Added to, in NUM_CHAINS alternating sums.
    """
    own = traces[first_row : first_row + num_rows, channel : channel + OCTET]
    products = own * weights[:num_rows].astype(sums.dtype)
    num_paired = num_rows - num_rows % NUM_CHAINS
    chains = products[:num_paired].reshape(-1, NUM_CHAINS, OCTET).sum(axis=0)
    for product in products[num_paired:]:
        chains[0] += product
    sums += (chains[0] + chains[1]) + (chains[2] + chains[3])


def _sum_products_code(_typing_context, traces, first_row, num_rows, channel, weights, sums):
    """`_sum_products_of_arrays` for numba: its type, and what generates its LLVM code."""

    def generate(context, builder, signature, arguments):
        traces_array, weights_array, sums_array = (
            _array(context, builder, signature, arguments, index) for index in (0, 4, 5)
        )
        octet = _Octets(builder, signature.args[0].dtype, ir.DoubleType())
        weight = _Octets(builder, signature.args[4].dtype, ir.DoubleType())
        total = _Octets(builder, signature.args[5].dtype, ir.DoubleType())
        num_channels = builder.extract_value(traces_array.shape, 1)
        start = builder.add(builder.mul(arguments[1], num_channels), arguments[3])
        first = builder.gep(traces_array.data, [start])

        def add_product(row, running):
            values = octet.load(builder.gep(first, [builder.mul(row, num_channels)]))
            factors = weight.load(builder.gep(weights_array.data, [builder.mul(row, _INT64(OCTET))]))
            builder.store(builder.fadd(builder.load(running), builder.fmul(values, factors)), running)

        zero = ir.Constant(total.vector, [0.0] * OCTET)
        alternating = [cgutils.alloca_once_value(builder, zero) for _ in range(NUM_CHAINS)]
        num_paired = builder.and_(arguments[2], _INT64(-NUM_CHAINS))
        with cgutils.for_range_slice(builder, _INT64(0), num_paired, _INT64(NUM_CHAINS), _INT64) as (row, _):
            for chain, running in enumerate(alternating):
                add_product(builder.add(row, _INT64(chain)), running)
        with cgutils.for_range_slice(builder, num_paired, arguments[2], _INT64(1), _INT64) as (row, _):
            add_product(row, alternating[0])
        sums = [builder.load(running) for running in alternating]
        while len(sums) > 1:
            sums = [builder.fadd(first, second) for first, second in zip(sums[::2], sums[1::2], strict=True)]
        total.store(builder.fadd(total.load(sums_array.data), sums[0]), sums_array.data)
        return context.get_dummy_value()

    if not are_contiguous(traces, weights, sums):
        return None
    return types.void(traces, first_row, num_rows, channel, weights, sums), generate


def _lane_products_of_arrays(traces, first_row, channel, factors, sums):
    """Products of each channel's samples with the factors, added as numpy adds contiguous float32 (up to 128).

    Parameters
    ----------
    traces : int16 or float32 (num_traces, num_channels)
    first_row, channel : int
        Of the first sample, which may lie outside the traces, as others may: these count as zeros. Channels
        channel:channel + OCTET must exist.
    factors : float32 (num_samples,)
    sums : float32 (OCTET,)
        Filled.
    """
    values = np.zeros((factors.size, OCTET), dtype=np.float32)
    for sample, value in enumerate(values):
        if 0 <= first_row + sample < traces.shape[0]:
            value += traces[first_row + sample, channel : channel + OCTET].astype(np.float32) * factors[sample]
    num_paired = factors.size - factors.size % NUM_LANES
    lanes = np.zeros((NUM_LANES, OCTET), dtype=np.float32)
    for block in values[:num_paired].reshape(-1, NUM_LANES, OCTET):
        lanes += block
    pairs = lanes[0::2] + lanes[1::2]
    sums[:] = (pairs[0] + pairs[1]) + (pairs[2] + pairs[3])
    for value in values[num_paired:]:
        sums += value


def _lane_products_code(_typing_context, traces, first_row, channel, factors, sums):
    """`_lane_products_of_arrays` for numba: its type, and what generates its LLVM code."""

    def generate(context, builder, signature, arguments):
        traces_array, factors_array, sums_array = (
            _array(context, builder, signature, arguments, index) for index in (0, 3, 4)
        )
        num_rows, num_channels = (builder.extract_value(traces_array.shape, axis) for axis in (0, 1))
        octet = _Octets(builder, signature.args[0].dtype, ir.FloatType())
        result = _Octets(builder, signature.args[4].dtype, ir.FloatType())
        last_row = builder.sub(num_rows, _INT64(1))

        def add_product(sample, total):
            """A row outside the traces counts as a product with zero."""
            row = builder.add(arguments[1], sample)
            is_inside = builder.icmp_unsigned("<=", row, last_row)
            row = builder.select(is_inside, row, _INT64(0))
            start = builder.add(builder.mul(row, num_channels), arguments[2])
            values = octet.load(builder.gep(traces_array.data, [start]))
            factor = builder.load(builder.gep(factors_array.data, [sample]))
            factor = builder.select(is_inside, factor, ir.Constant(factor.type, 0.0))
            builder.store(builder.fadd(builder.load(total), builder.fmul(values, octet.repeat(factor))), total)

        zero = ir.Constant(result.vector, [0.0] * OCTET)
        lanes = [cgutils.alloca_once_value(builder, zero) for _ in range(NUM_LANES)]
        num_samples = builder.extract_value(factors_array.shape, 0)
        num_paired = builder.and_(num_samples, _INT64(-NUM_LANES))
        with cgutils.for_range_slice(builder, _INT64(0), num_paired, _INT64(NUM_LANES), _INT64) as (sample, _):
            for lane, total in enumerate(lanes):
                add_product(builder.add(sample, _INT64(lane)), total)
        sums = [builder.load(lane) for lane in lanes]
        while len(sums) > 1:
            sums = [builder.fadd(first, second) for first, second in zip(sums[::2], sums[1::2], strict=True)]
        total = cgutils.alloca_once_value(builder, sums[0])
        with cgutils.for_range_slice(builder, num_paired, num_samples, _INT64(1), _INT64) as (sample, _):
            add_product(sample, total)
        result.store(builder.load(total), sums_array.data)
        return context.get_dummy_value()

    if not are_contiguous(traces, factors, sums):
        return None
    return types.void(traces, first_row, channel, factors, sums), generate


class _Octets:
    """Eight values of one dtype in memory, as floats of one type in registers."""

    def __init__(self, builder, dtype, float_type):
        self._builder, self._dtype = builder, dtype
        self.vector = ir.VectorType(float_type, OCTET)
        kinds = {types.int16: ir.IntType(16), types.float32: ir.FloatType(), types.float64: ir.DoubleType()}
        self._stored = ir.VectorType(kinds[dtype], OCTET)

    def load(self, pointer):
        values = self._builder.load(self._builder.bitcast(pointer, self._stored.as_pointer()))
        values.align = self._dtype.bitwidth // 8
        if self._dtype == types.int16:
            return self._builder.sitofp(values, self.vector)
        return values if self._stored == self.vector else self._builder.fpext(values, self.vector)

    def store(self, values, pointer):
        stored = self._builder.store(values, self._builder.bitcast(pointer, self._stored.as_pointer()))
        stored.align = self._dtype.bitwidth // 8

    def repeat(self, value):
        single = self._builder.insert_element(ir.Constant(self.vector, ir.Undefined), value, ir.IntType(32)(0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), OCTET), [0] * OCTET)
        return self._builder.shuffle_vector(single, single, everywhere)


def are_contiguous(*array_types) -> bool:
    """Whether numba knows of all these arrays that they are C-contiguous; its code would not look at their strides."""
    return all(array_type.layout == "C" for array_type in array_types)


def _array(context, builder, signature, arguments, index):
    return context.make_array(signature.args[index])(context, builder, arguments[index])


if numba.config.DISABLE_JIT:
    sum_products, lane_products = _sum_products_of_arrays, _lane_products_of_arrays
else:
    sum_products, lane_products = intrinsic(_sum_products_code), intrinsic(_lane_products_code)
