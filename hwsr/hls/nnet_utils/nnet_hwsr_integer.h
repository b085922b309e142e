#ifndef NNET_HWSR_INTEGER_H_
#define NNET_HWSR_INTEGER_H_

// Integers as wide as was proved, and their way from one power-of-two grid to another.

#include "ap_int.h"
#include <cassert>

namespace nnet {

// integer<BITS, ROOM>::type holds two's complement integers of BITS bits: ap_int<BITS> in hardware. The C simulation
// takes the native integer that has room for ROOM bits, which is faster to compile and to run, and checks by
// in_range<BITS> that hardware would hold the same value; HWSR_EXACT_WIDTHS makes it take the hardware's types.
// factor<BITS, ROOM>::type is the same for what is multiplied; the product of two needs ROOM bits at most.
#if defined(__SYNTHESIS__) || defined(HWSR_EXACT_WIDTHS)
template <int BITS, int ROOM = BITS> struct integer {
    typedef ap_int<BITS> type;
};
template <int BITS, int ROOM> struct factor {
    typedef ap_int<BITS> type;
};
// Counts from 0 up to MAX.
template <unsigned MAX> struct counter {
    static const int half = counter<MAX / 2>::bits;
    static const int bits = half + 1;
    typedef ap_uint<bits> type;
};
template <> struct counter<0> {
    static const int bits = 0;
    typedef ap_uint<1> type;
};
#else
template <bool FITS_INT> struct native {
    typedef int type;
};
template <> struct native<false> {
    typedef long long type;
};
template <int BITS, int ROOM = BITS> struct integer {
    static_assert(BITS <= ROOM && ROOM <= 64, "no native integer is this wide");
    typedef typename native<ROOM <= 32>::type type;
};
// C++ multiplies shorts as ints.
template <bool SHORT, int ROOM> struct native_factor {
    typedef short type;
};
template <int ROOM> struct native_factor<false, ROOM> {
    typedef typename native<ROOM <= 32>::type type;
};
template <int BITS, int ROOM> struct factor {
    typedef typename native_factor<BITS <= 16 && ROOM <= 32, ROOM>::type type;
};
template <unsigned MAX> struct counter {
    typedef unsigned type;
};
#endif

template <int BITS> bool in_range(long long value) {
    return value >= -(1LL << (BITS - 1)) && value < 1LL << (BITS - 1);
}

template <class T> struct limits;
template <int BITS> struct limits<ap_int<BITS>> {
    static const long long lo = -(1LL << (BITS - 1));
    static const long long hi = (1LL << (BITS - 1)) - 1;
};
template <int BITS> struct limits<ap_uint<BITS>> {
    static const long long lo = 0;
    static const long long hi = (1LL << BITS) - 1;
};

// value * 2^n. C++ leaves native shifts of negative integers undefined.
template <int BITS> ap_int<BITS> shifted(const ap_int<BITS> &value, unsigned n) {
    #pragma HLS INLINE
    return value << n;
}
inline int shifted(int value, unsigned n) { return int(unsigned(value) << n); }
inline long long shifted(long long value, unsigned n) { return (long long)((unsigned long long)value << n); }

// natural<BITS, ROOM>::type holds integers from 0 up of BITS bits, as integer<BITS, ROOM>::type does those with a sign.
#if defined(__SYNTHESIS__) || defined(HWSR_EXACT_WIDTHS)
template <int BITS, int ROOM> struct natural {
    typedef ap_uint<BITS> type;
};
template <int BITS> ap_uint<BITS> shifted(const ap_uint<BITS> &value, unsigned n) {
    #pragma HLS INLINE
    return value << n;
}
#else
template <int BITS, int ROOM> struct natural {
    typedef typename integer<BITS + 1, (ROOM > BITS ? ROOM : BITS + 1)>::type type;
};
#endif

// The sum of N terms of BITS bits, modulo 2^MOST, by a tree of adders: each level is half as long as the one before and a
// bit wider, up to MOST. Spelled out level by level, for of one long sum the tool may make a chain.
template <unsigned N, int BITS, int MOST, int ROOM> struct adder_tree {
    static const unsigned half = (N + 1) / 2;
    typedef adder_tree<half, (BITS < MOST ? BITS + 1 : MOST), MOST, ROOM> next;
    typedef typename integer<BITS, ROOM>::type term_t;

    static typename integer<MOST, ROOM>::type sum(const term_t term[N]) {
        #pragma HLS INLINE
        typename next::term_t pair[half];
        #pragma HLS ARRAY_PARTITION variable=pair complete
        pair[half - 1] = term[half - 1];

    Pairs:
        for (unsigned i = 0; i < N / 2; i++) {
            #pragma HLS UNROLL
            pair[i] = term[i] + term[half + i];
        }
        return next::sum(pair);
    }
};
template <int BITS, int MOST, int ROOM> struct adder_tree<1, BITS, MOST, ROOM> {
    typedef typename integer<BITS, ROOM>::type term_t;

    static typename integer<MOST, ROOM>::type sum(const term_t term[1]) {
        #pragma HLS INLINE
        return term[0];
    }
};

// saturate(round_half_even(value * 2^-SHIFT)) for a value of BITS bits. SHIFT may be negative.
template <class res_T, int BITS, int SHIFT> res_T requantized(const typename integer<BITS>::type &value) {
    #pragma HLS INLINE
    static const int down = SHIFT > 0 ? SHIFT : 0;
    static const int up = SHIFT < 0 ? -SHIFT : 0;
    static const int guard = down > 0 ? down - 1 : 0;
    // What saturates is found before it is shifted up, so that no wider type is needed.
    static const long long lo = -(-limits<res_T>::lo >> up);
    static const long long hi = limits<res_T>::hi >> up;
    typename integer<BITS + 1>::type q = value >> down;
    if (down > 0) {
        const bool half = (value >> guard) & 1;
        const bool more = (value & ((1LL << guard) - 1)) != 0;
        q += half && (more || (q & 1)) ? 1 : 0;
    }
    if (q < lo) {
        return limits<res_T>::lo;
    }
    if (q > hi) {
        return limits<res_T>::hi;
    }
    const res_T saturated = q;
    return saturated << up;
}

} // namespace nnet

#endif
