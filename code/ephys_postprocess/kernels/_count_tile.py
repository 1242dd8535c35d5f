"""The innermost loops of `count_products`, in LLVM code: numba's own loops over int16 become a fourth as fast.

Snippets are turned around by interleaving registers. Neighboring products are added in the form that LLVM knows as the
integer dot products of many processors (on x86 VPMADDWD and VPDPWSSD). It is ordinary arithmetic all the same, right on
any processor, and the sums are integers, so that no order or instruction changes them.
"""

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ephys_postprocess.kernels._octet_loops import are_contiguous

COLUMNS_AT_ONCE = 32  # int16 values that one 512-bit register holds; rows of counts have a multiple of it
TURNED = 8  # spikes, and channels, that are turned around at once: int16 values that one 128-bit register holds
TILE = 4  # rows and columns of products made side by side: their 16 sums and 8 operands fit into 32 registers


def _add_tile_of_arrays(counts, row, column, first, stop, products):
    """Add the products of TILE rows of counts with TILE rows over the columns first:stop to int64 products.

    Parameters
    ----------
    counts : int16 (num_rows, num_columns)
        C-contiguous.
    row, column : int
        The first of the rows that give the products' rows, and of those that give their columns.
    first, stop : int
        Columns; a multiple of COLUMNS_AT_ONCE of them, few enough for sums in int32.
    products : int64 (num_rows, num_rows)
        C-contiguous; added to in place.
    """
    left = counts[row : row + TILE, first:stop].astype(np.int64)
    right = counts[column : column + TILE, first:stop].astype(np.int64)
    products[row : row + TILE, column : column + TILE] += left @ right.T


def _tile_code(_typing_context, counts, row, column, first, stop, products):
    """`_add_tile_of_arrays` for numba: its type, and what generates its LLVM code."""

    def generate(context, builder, signature, arguments):
        counts_array = context.make_array(signature.args[0])(context, builder, arguments[0])
        products_array = context.make_array(signature.args[5])(context, builder, arguments[5])
        row, column, first, stop = arguments[1:5]
        int64 = ir.IntType(64)
        pair = ir.VectorType(ir.IntType(32), COLUMNS_AT_ONCE // 2)
        all_lanes = ir.VectorType(ir.IntType(32), COLUMNS_AT_ONCE)
        counts_type = ir.VectorType(ir.IntType(16), COLUMNS_AT_ONCE)
        lanes = [ir.Constant(pair, list(range(start, COLUMNS_AT_ONCE, 2))) for start in (0, 1)]

        def rows_from(start):
            stride = builder.extract_value(counts_array.shape, 1)
            offsets = [builder.mul(builder.add(start, int64(index)), stride) for index in range(TILE)]
            return [builder.gep(counts_array.data, [offset]) for offset in offsets]

        def widened(pointer, position):
            place = builder.bitcast(builder.gep(pointer, [position]), counts_type.as_pointer())
            values = builder.load(place)
            values.align = 2
            return builder.sext(values, all_lanes)

        left, right = rows_from(row), rows_from(column)
        sums = [[cgutils.alloca_once_value(builder, pair(None)) for _ in right] for _ in left]
        with cgutils.for_range_slice(builder, first, stop, int64(COLUMNS_AT_ONCE), int64) as (position, _):
            left_values = [widened(pointer, position) for pointer in left]
            right_values = [widened(pointer, position) for pointer in right]
            for own_sums, left_value in zip(sums, left_values, strict=True):
                for total, right_value in zip(own_sums, right_values, strict=True):
                    both = builder.mul(left_value, right_value)
                    even, odd = (builder.shuffle_vector(both, both, lane) for lane in lanes)
                    builder.store(builder.add(builder.load(total), builder.add(even, odd)), total)
        add_up = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.IntType(32), [pair]), f"llvm.vector.reduce.add.v{pair.count}i32"
        )
        width = builder.extract_value(products_array.shape, 1)
        for index, own_sums in enumerate(sums):
            line = builder.add(builder.mul(builder.add(row, int64(index)), width), column)
            for other, total in enumerate(own_sums):
                place = builder.gep(products_array.data, [builder.add(line, int64(other))])
                added = builder.sext(builder.call(add_up, [builder.load(total)]), int64)
                builder.store(builder.add(builder.load(place), added), place)
        return context.get_dummy_value()

    if not are_contiguous(counts, products):
        return None
    return types.void(counts, row, column, first, stop, products), generate


def _turn_tile_of_arrays(windows, spike, sample, channel, by_channel):
    """Copy one sample of TURNED spikes on TURNED channels, which must all exist, so that its spikes are neighbors.

    Parameters
    ----------
    windows : int16 (num_spikes, num_samples, at least num_channels)
        C-contiguous.
    spike, sample, channel : int
        The first spike, the sample, and the first channel.
    by_channel : int16 (num_channels, at least num_samples, at least num_spikes)
        C-contiguous.
    """
    spikes, channels = slice(spike, spike + TURNED), slice(channel, channel + TURNED)
    by_channel[channels, sample, spikes] = windows[spikes, sample, channels].T


def _turning_code(_typing_context, windows, spike, sample, channel, by_channel):
    """`_turn_tile_of_arrays` for numba: its type, and what generates its LLVM code."""

    def generate(context, builder, signature, arguments):
        row_type = ir.VectorType(ir.IntType(16), TURNED)

        def rows_of(index, first, second, third):
            """Pointers to rows of TURNED values, from array[first, second, third] onwards along the first axis."""
            array = context.make_array(signature.args[index])(context, builder, arguments[index])
            height, width = (builder.extract_value(array.shape, axis) for axis in (1, 2))
            size = builder.mul(height, width)
            start = builder.add(builder.mul(builder.add(builder.mul(first, height), second), width), third)
            offsets = [builder.add(start, builder.mul(size, ir.IntType(64)(row))) for row in range(TURNED)]
            return [builder.bitcast(builder.gep(array.data, [offset]), row_type.as_pointer()) for offset in offsets]

        spike, sample, channel = arguments[1:4]
        rows = [builder.load(pointer) for pointer in rows_of(0, spike, sample, channel)]
        for row in rows:
            row.align = 2
        # Each step interleaves the first half of the rows with the second; after log2(TURNED) of them, all are turned.
        halves = [list(range(start, start + TURNED // 2)) for start in (0, TURNED // 2)]
        lanes = [[lane for one in half for lane in (one, one + TURNED)] for half in halves]
        lanes = [ir.Constant(ir.VectorType(ir.IntType(32), TURNED), lane) for lane in lanes]
        for _ in range(TURNED.bit_length() - 1):
            pairs = zip(rows[: TURNED // 2], rows[TURNED // 2 :], strict=True)
            rows = [builder.shuffle_vector(*pair, lane) for pair in pairs for lane in lanes]
        for row, pointer in zip(rows, rows_of(4, channel, sample, spike), strict=True):
            builder.store(row, pointer).align = 2
        return context.get_dummy_value()

    if not are_contiguous(windows, by_channel):
        return None
    return types.void(windows, spike, sample, channel, by_channel), generate


turn_tile = _turn_tile_of_arrays if numba.config.DISABLE_JIT else intrinsic(_turning_code)
add_tile = _add_tile_of_arrays if numba.config.DISABLE_JIT else intrinsic(_tile_code)
