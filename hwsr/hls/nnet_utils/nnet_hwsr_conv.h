#ifndef NNET_HWSR_CONV_H_
#define NNET_HWSR_CONV_H_

// Folded streaming convolution: stride 1, zeros around the frame, an odd kernel, in groups or not.
//
// PE = lane_groups * lane_outputs sums grow at a time, each by SIMD products a clock, so that one output pixel takes
//     n_steps = (group_inputs / simd) * (group_outputs / lane_outputs) * (groups / lane_groups)
// clocks, group_inputs being kernel_height * kernel_width * the channels of a group. An output pixel needs `fill`
// input pixels beyond its own: these are taken in first, one a clock.

#include "hls_stream.h"
#include "nnet_common.h"
#include "nnet_hwsr.h"
#include "nnet_hwsr_integer.h"
#include "nnet_hwsr_rescale.h"
#ifndef __SYNTHESIS__
#include <vector>
#endif

namespace nnet {

// The i-th field of BITS bits in a word, sign extended.
template <int BITS> long long field(unsigned long long word, unsigned i) {
    #pragma HLS INLINE
    return (long long)(word << (64 - BITS * (i + 1))) >> (64 - BITS);
}

// A product in the part of the device that the plan gave it to; how it is built changes no bit of it.
template <class product_t, class a_T, class b_T> product_t product_in_dsp(const a_T &a, const b_T &b) {
    #pragma HLS INLINE
    const product_t product = a * b;
#ifdef __VITIS_HLS__
    #pragma HLS BIND_OP variable=product op=mul impl=dsp
#else
    #pragma HLS RESOURCE variable=product core=DSP48
#endif
    return product;
}

template <class product_t, class a_T, class b_T> product_t product_in_luts(const a_T &a, const b_T &b) {
    #pragma HLS INLINE
    const product_t product = a * b;
#ifdef __VITIS_HLS__
    #pragma HLS BIND_OP variable=product op=mul impl=fabric
#else
    #pragma HLS RESOURCE variable=product core=Mul_LUT
#endif
    return product;
}

// The types of a lane: what its sum grows by in a clock is the products of `simd` operands and weights.
template <typename CONFIG_T> struct Lane {
    static const int product_bits = CONFIG_T::data_bits + (CONFIG_T::ternary ? 1 : CONFIG_T::weight_bits);
    typedef typename factor<CONFIG_T::data_bits, CONFIG_T::room>::type operand_t;
    typedef typename factor<CONFIG_T::weight_bits, CONFIG_T::room>::type weight_t;
    typedef typename integer<product_bits, CONFIG_T::room>::type product_t;
    typedef typename integer<CONFIG_T::sum_bits, CONFIG_T::room>::type sum_t;

    static product_t product(const operand_t &operand, const weight_t &weight) {
        #pragma HLS INLINE
        if (CONFIG_T::ternary) { // add, subtract or skip
            const product_t signed_operand = weight < 0 ? product_t(-operand) : product_t(operand);
            return weight == 0 ? product_t(0) : signed_operand;
        }
        if (CONFIG_T::multiplier == 1) {
            return product_in_dsp<product_t>(operand, weight);
        }
        if (CONFIG_T::multiplier == 2) {
            return product_in_luts<product_t>(operand, weight);
        }
        return operand * weight;
    }

    // The C simulation multiplies and adds one by one, which g++ vectorizes; a sum of integers has no order.
    static sum_t sum(const operand_t operand[CONFIG_T::simd], const weight_t weight[CONFIG_T::simd]) {
        #pragma HLS INLINE
#if defined(__SYNTHESIS__) || defined(HWSR_EXACT_WIDTHS)
        product_t products[CONFIG_T::simd];
        #pragma HLS ARRAY_PARTITION variable=products complete
    Products:
        for (unsigned i = 0; i < CONFIG_T::simd; i++) {
            #pragma HLS UNROLL
            products[i] = product(operand[i], weight[i]);
        }
        return adder_tree<CONFIG_T::simd, product_bits, CONFIG_T::sum_bits, CONFIG_T::room>::sum(products);
#else
        sum_t total = 0;
        for (unsigned i = 0; i < CONFIG_T::simd; i++) {
            total += operand[i] * weight[i];
        }
        return total;
#endif
    }
};

// The weights of every step's lanes. Hardware reads them off the words; the C simulation does so once a frame.
template <typename CONFIG_T> class LaneWeights {
  public:
    typedef typename Lane<CONFIG_T>::weight_t weight_t;
    typedef const unsigned long long words_t[CONFIG_T::n_words];

    static weight_t read(const words_t *words, unsigned step, unsigned lane) {
        #pragma HLS INLINE
        return field<CONFIG_T::weight_bits>(words[step][lane / CONFIG_T::per_word], lane % CONFIG_T::per_word);
    }

#if defined(__SYNTHESIS__) || defined(HWSR_EXACT_WIDTHS)
    LaneWeights(const words_t *) {}
    weight_t operator()(const words_t *words, unsigned step, unsigned lane) const {
        #pragma HLS INLINE
        return read(words, step, lane);
    }
#else
    LaneWeights(const words_t *words) : decoded(CONFIG_T::n_steps * lanes) {
        for (unsigned i = 0; i < decoded.size(); i++) {
            decoded[i] = read(words, i / lanes, i % lanes);
        }
    }
    weight_t operator()(const words_t *, unsigned step, unsigned lane) const { return decoded[step * lanes + lane]; }

  private:
    static const unsigned lanes = CONFIG_T::pe * CONFIG_T::simd;
    std::vector<weight_t> decoded;
#endif
};

// One slot of the frame in raster order enters the window: a pixel, or zeros behind the last one. Rows above the frame
// are zeros too. The window holds group by group, each in the order of its weights: rows, columns, channels. Folds have
// dimensions of their own: a lane chooses among its inputs of every fold, not among the whole window.
template <class data_T, typename CONFIG_T>
void conv_take(hls::stream<data_T> &data,
               typename data_T::value_type line[CONFIG_T::n_lines][CONFIG_T::width][CONFIG_T::n_chan],
               typename data_T::value_type window[CONFIG_T::groups / CONFIG_T::lane_groups][CONFIG_T::lane_groups]
                                                  [CONFIG_T::group_inputs / CONFIG_T::simd][CONFIG_T::simd],
               unsigned row, unsigned column) {
    #pragma HLS INLINE
    static const unsigned kh = CONFIG_T::kernel_height;
    static const unsigned group_channels = CONFIG_T::n_chan / CONFIG_T::groups;
    static const unsigned row_inputs = CONFIG_T::kernel_width * group_channels;
    static const unsigned lane_groups = CONFIG_T::lane_groups;
    static const unsigned simd = CONFIG_T::simd;
    const bool inside = row < CONFIG_T::height;
    data_T fresh;
    if (inside) {
        fresh = data.read();
    }

Rows:
    for (unsigned r = 0; r < kh; r++) {
        #pragma HLS UNROLL
    Groups:
        for (unsigned g = 0; g < CONFIG_T::groups; g++) {
            #pragma HLS UNROLL
            const unsigned group_fold = g / lane_groups;
            const unsigned lane_group = g % lane_groups;
        Shift:
            for (unsigned i = r * row_inputs; i + group_channels < (r + 1) * row_inputs; i++) {
                #pragma HLS UNROLL
                const unsigned from = i + group_channels;
                window[group_fold][lane_group][i / simd][i % simd] =
                    window[group_fold][lane_group][from / simd][from % simd];
            }
        Enter:
            for (unsigned i = 0; i < group_channels; i++) {
                #pragma HLS UNROLL
                const unsigned c = g * group_channels + i;
                const unsigned to = (r + 1) * row_inputs - group_channels + i;
                typename data_T::value_type in = 0;
                if (r == kh - 1 && inside) {
                    in = fresh[c];
                } else if (r < kh - 1 && row >= kh - 1 - r) {
                    in = line[r][column][c];
                }
                if (r > 0) {
                    line[r - 1][column][c] = in;
                }
                window[group_fold][lane_group][to / simd][to % simd] = in;
            }
        }
    }
}

// The results of a pixel, made fold by fold, in the order of its channels.
template <class res_T, typename CONFIG_T>
void conv_write(hls::stream<res_T> &res, const typename res_T::value_type made[CONFIG_T::n_folds][CONFIG_T::pe]) {
    #pragma HLS INLINE
    static const unsigned output_folds = CONFIG_T::group_outputs / CONFIG_T::lane_outputs;
    res_T out;
    PRAGMA_DATA_PACK(out)

Channels:
    for (unsigned c = 0; c < CONFIG_T::n_filt; c++) {
        #pragma HLS UNROLL
        const unsigned group = c / CONFIG_T::group_outputs;
        const unsigned output = c % CONFIG_T::group_outputs;
        const unsigned fold = group / CONFIG_T::lane_groups * output_folds + output / CONFIG_T::lane_outputs;
        const unsigned lane = group % CONFIG_T::lane_groups * CONFIG_T::lane_outputs + output % CONFIG_T::lane_outputs;
        out[c] = made[fold][lane];
    }
    res.write(out);
}

// weights: the lanes' weights of a step, PER_WORD fields a word; bias: what sums start from; ending: what the
// ending of every channel's sum is told; tap_column: the column of the kernel that an input lies in.
template <class data_T, class res_T, typename CONFIG_T>
void conv_of(hls::stream<data_T> &data, hls::stream<res_T> &res,
             const unsigned long long weights[CONFIG_T::n_steps][CONFIG_T::n_words],
             const typename CONFIG_T::bias_t bias[CONFIG_T::n_folds][CONFIG_T::pe],
             const typename conv_ending<typename res_T::value_type, CONFIG_T>::constant_t ending[CONFIG_T::n_folds]
                                                                                               [CONFIG_T::pe],
             const unsigned char tap_column[CONFIG_T::group_inputs / CONFIG_T::simd][CONFIG_T::simd]) {
    #pragma HLS INLINE
    #pragma HLS ARRAY_PARTITION variable=weights complete dim=2
    #pragma HLS ARRAY_PARTITION variable=bias complete dim=2
    #pragma HLS ARRAY_PARTITION variable=ending complete dim=2
    #pragma HLS ARRAY_PARTITION variable=tap_column complete dim=0

    typedef typename data_T::value_type value_t;
    typedef typename Lane<CONFIG_T>::operand_t operand_t;
    typedef typename Lane<CONFIG_T>::weight_t weight_t;
    typedef typename Lane<CONFIG_T>::sum_t sum_t;
    static const unsigned kw = CONFIG_T::kernel_width;
    static const unsigned simd = CONFIG_T::simd;
    static const unsigned pe = CONFIG_T::pe;
    static const unsigned group_folds = CONFIG_T::groups / CONFIG_T::lane_groups;
    static const unsigned input_folds = CONFIG_T::group_inputs / simd;
    static const unsigned output_folds = CONFIG_T::group_outputs / CONFIG_T::lane_outputs;
    static const unsigned fill = (CONFIG_T::kernel_height / 2) * CONFIG_T::width + kw / 2;
    static const unsigned n_clocks = fill + CONFIG_T::height * CONFIG_T::width * CONFIG_T::n_steps;
    static const unsigned reuse_distance = CONFIG_T::width;

    static value_t line[CONFIG_T::n_lines][CONFIG_T::width][CONFIG_T::n_chan];
    #pragma HLS ARRAY_PARTITION variable=line complete dim=1
    #pragma HLS ARRAY_RESHAPE variable=line complete dim=3
    value_t window[group_folds][CONFIG_T::lane_groups][input_folds][simd];
    #pragma HLS ARRAY_PARTITION variable=window complete dim=0
    sum_t sum[pe];
    #pragma HLS ARRAY_PARTITION variable=sum complete
    typename res_T::value_type made[CONFIG_T::n_folds][pe];
    #pragma HLS ARRAY_PARTITION variable=made complete dim=0
    bool inside[kw];
    #pragma HLS ARRAY_PARTITION variable=inside complete

    const LaneWeights<CONFIG_T> weight_of(weights);

    typename counter<CONFIG_T::height + CONFIG_T::kernel_height>::type row = 0;
    typename counter<CONFIG_T::width>::type column = 0, out_column = 0;
    typename counter<CONFIG_T::n_steps>::type step = 0;
    typename counter<CONFIG_T::n_folds>::type fold = 0;
    typename counter<group_folds>::type group_fold = 0;
    typename counter<input_folds>::type input_fold = 0;
    typename counter<output_folds>::type output_fold = 0;

Clocks:
    for (unsigned clock = 0; clock < n_clocks; clock++) {
        #pragma HLS PIPELINE II=1
        // A column is next stored to, and read, after a row of slots.
        #pragma HLS DEPENDENCE variable=line inter RAW distance=reuse_distance true
        const bool filling = clock < fill;
        if (filling || step == 0) {
            conv_take<data_T, CONFIG_T>(data, line, window, row, column);
            if (++column == CONFIG_T::width) {
                column = 0;
                row++;
            }
        }
        if (filling) {
            continue;
        }
        if (step == 0) {
        Inside:
            for (unsigned k = 0; k < kw; k++) {
                #pragma HLS UNROLL
                inside[k] = k == kw / 2 || (out_column + k >= kw / 2 && out_column + k < CONFIG_T::width + kw / 2);
            }
            if (++out_column == CONFIG_T::width) {
                out_column = 0;
            }
        }

    LaneGroups:
        for (unsigned g = 0; g < CONFIG_T::lane_groups; g++) {
            #pragma HLS UNROLL
            operand_t operand[simd];
            #pragma HLS ARRAY_PARTITION variable=operand complete

        Operands:
            for (unsigned i = 0; i < simd; i++) {
                #pragma HLS UNROLL
                const bool taken = inside[tap_column[input_fold][i]];
                operand[i] = taken ? operand_t(window[group_fold][g][input_fold][i]) : operand_t(0);
            }

        LaneOutputs:
            for (unsigned o = 0; o < CONFIG_T::lane_outputs; o++) {
                #pragma HLS UNROLL
                const unsigned lane = g * CONFIG_T::lane_outputs + o;
                weight_t weight[simd];
                #pragma HLS ARRAY_PARTITION variable=weight complete

            Weights:
                for (unsigned i = 0; i < simd; i++) {
                    #pragma HLS UNROLL
                    weight[i] = weight_of(weights, step, lane * simd + i);
                }
                // All that one clock leaves to the next is a single addition.
                const sum_t before = input_fold == 0 ? sum_t(bias[fold][lane]) : sum[lane];
                const sum_t total = before + Lane<CONFIG_T>::sum(operand, weight);
                assert(in_range<CONFIG_T::sum_bits>(total));
                sum[lane] = total;
                if (input_fold == input_folds - 1) {
                    made[fold][lane] = conv_ending<typename res_T::value_type, CONFIG_T>::of(total, ending[fold][lane]);
                }
            }
        }

        // Folds of the inputs turn fastest, then those of a group's outputs, then those of the groups.
        if (++input_fold == input_folds) {
            input_fold = 0;
            fold++;
            if (++output_fold == output_folds) {
                output_fold = 0;
                group_fold++;
            }
        }
        if (++step == CONFIG_T::n_steps) {
            step = 0;
            fold = 0;
            group_fold = 0;
            conv_write<res_T, CONFIG_T>(res, made);
        }
    }
}

// The tool chooses what keeps the weights: block RAM, but for the smallest.
template <class data_T, class res_T, typename CONFIG_T>
void conv(hls::stream<data_T> &data, hls::stream<res_T> &res,
          const unsigned long long weights[CONFIG_T::n_steps][CONFIG_T::n_words],
          const typename CONFIG_T::bias_t bias[CONFIG_T::n_folds][CONFIG_T::pe],
          const typename conv_ending<typename res_T::value_type, CONFIG_T>::constant_t ending[CONFIG_T::n_folds]
                                                                                            [CONFIG_T::pe],
          const unsigned char tap_column[CONFIG_T::group_inputs / CONFIG_T::simd][CONFIG_T::simd]) {
    conv_of<data_T, res_T, CONFIG_T>(data, res, weights, bias, ending, tap_column);
}

// The plan keeps them in LUTs: a word of a few dozen steps fills no more than a tenth of its block RAM.
template <class data_T, class res_T, typename CONFIG_T>
void conv_weights_in_luts(hls::stream<data_T> &data, hls::stream<res_T> &res,
                          const unsigned long long weights[CONFIG_T::n_steps][CONFIG_T::n_words],
                          const typename CONFIG_T::bias_t bias[CONFIG_T::n_folds][CONFIG_T::pe],
                          const typename conv_ending<typename res_T::value_type, CONFIG_T>::constant_t
                              ending[CONFIG_T::n_folds][CONFIG_T::pe],
                          const unsigned char tap_column[CONFIG_T::group_inputs / CONFIG_T::simd][CONFIG_T::simd]) {
#ifdef __VITIS_HLS__
    #pragma HLS BIND_STORAGE variable=weights type=rom_np impl=lutram
#else
    #pragma HLS RESOURCE variable=weights core=ROM_nP_LUTRAM
#endif
    conv_of<data_T, res_T, CONFIG_T>(data, res, weights, bias, ending, tap_column);
}

} // namespace nnet

#endif
