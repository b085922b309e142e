#ifndef NNET_HWSR_RESCALE_H_
#define NNET_HWSR_RESCALE_H_

// Affine requantization (Jacob et al. 2017) with the roundings of LiteRT's reference kernels, in any kernel's ending.

#include "hls_stream.h"
#include "nnet_common.h"
#include "nnet_hwsr.h"
#include "nnet_hwsr_integer.h"

namespace nnet {

// clamp(zero_point + value * multiplier * 2^left / 2^31 / 2^right): the first quotient is rounded with ties upwards, the
// second with ties away from zero. constants: `multiplier` in the lowest 31 bits, then 5 bits of `right` and of `left`.
template <class res_T, typename CONFIG_T, class value_T>
res_T rescaled(const value_T &value, unsigned long long constants) {
    #pragma HLS INLINE
    typedef typename integer<CONFIG_T::high_bits, 64>::type high_t;
    const typename natural<31, 64>::type multiplier = constants & 0x7fffffffULL;
    const typename counter<31>::type right = (constants >> 31) & 31;
    const typename counter<31>::type left = (constants >> 36) & 31;

    const typename integer<CONFIG_T::operand_bits, 64>::type operand = value;
    assert(in_range<CONFIG_T::operand_bits>(operand));
    typename integer<CONFIG_T::product_bits, 64>::type product = operand * multiplier;
    if (CONFIG_T::max_left > 0) {
        product = shifted(product, left);
    }
    assert(in_range<CONFIG_T::product_bits>(product));
    product += 1LL << 30;
    high_t high = product >> 31;
    assert(in_range<CONFIG_T::high_bits>(high));
    if (CONFIG_T::max_right > 0 && right > 0) {
        // Half a step less for what is negative makes of ties upwards those away from zero.
        high = (high - (high < 0 ? 1 : 0)) >> (right - 1);
        high = (high + 1) >> 1;
    }
    const typename integer<CONFIG_T::moved_bits, 64>::type moved = high + CONFIG_T::zero_point;
    if (moved < CONFIG_T::lo) {
        return CONFIG_T::lo;
    }
    if (moved > CONFIG_T::hi) {
        return CONFIG_T::hi;
    }
    return moved;
}

// Every channel by constants of its own; n_lanes multipliers.
template <class data_T, class res_T, typename CONFIG_T>
void rescale(hls::stream<data_T> &data, hls::stream<res_T> &res,
             const unsigned long long rescaling[CONFIG_T::n_steps][CONFIG_T::n_chan / CONFIG_T::n_steps]) {
    #pragma HLS ARRAY_PARTITION variable=rescaling complete dim=2
    static const unsigned lanes = CONFIG_T::n_chan / CONFIG_T::n_steps;
    typename data_T::value_type in[CONFIG_T::n_steps][lanes];
    #pragma HLS ARRAY_PARTITION variable=in complete dim=0
    typename res_T::value_type made[CONFIG_T::n_steps][lanes];
    #pragma HLS ARRAY_PARTITION variable=made complete dim=0
    typename counter<CONFIG_T::n_steps>::type step = 0;

Clocks:
    for (unsigned i = 0; i < CONFIG_T::n_pixels * CONFIG_T::n_steps; i++) {
        #pragma HLS PIPELINE II=1
        if (step == 0) {
            read_word<CONFIG_T::n_steps>(data, in);
        }

    Lanes:
        for (unsigned lane = 0; lane < lanes; lane++) {
            #pragma HLS UNROLL
            const typename integer<CONFIG_T::bits>::type value = in[step][lane];
            made[step][lane] = rescaled<typename res_T::value_type, CONFIG_T>(value, rescaling[step][lane]);
        }
        if (++step == CONFIG_T::n_steps) {
            step = 0;
            write_word<CONFIG_T::n_steps>(res, made);
        }
    }
}

// What ends a convolution's sum of a channel, whose word is of type constant_t: in fixed point it is brought to the grid
// that all channels share, by a power of two, and requantized; in affine arithmetic it is rescaled.
template <class res_T, typename CONFIG_T, bool RESCALES = CONFIG_T::rescales> struct conv_ending {
    typedef unsigned char constant_t;

    static res_T of(const typename integer<CONFIG_T::aligned_bits>::type &sum, constant_t up) {
        #pragma HLS INLINE
        typename integer<CONFIG_T::aligned_bits>::type aligned = sum;
        if (CONFIG_T::max_up > 0) {
            const typename counter<CONFIG_T::max_up>::type by = up;
            aligned = shifted(aligned, by);
        }
        return requantized<res_T, CONFIG_T::aligned_bits, CONFIG_T::shift>(aligned);
    }
};
template <class res_T, typename CONFIG_T> struct conv_ending<res_T, CONFIG_T, true> {
    typedef unsigned long long constant_t;

    static res_T of(const typename integer<CONFIG_T::aligned_bits>::type &sum, constant_t rescaling) {
        #pragma HLS INLINE
        return rescaled<res_T, CONFIG_T>(sum, rescaling);
    }
};

} // namespace nnet

#endif
