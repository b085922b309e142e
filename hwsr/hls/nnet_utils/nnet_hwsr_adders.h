#ifndef NNET_HWSR_ADDERS_H_
#define NNET_HWSR_ADDERS_H_

// Streaming convolution at one clock an output pixel, its sums computed by an adder graph of constant weights: straight
// lines of C++ that share what sums have in common. Stride, padding and window are those of the folded convolution.

#include "hls_stream.h"
#include "nnet_common.h"
#include "nnet_hwsr_conv.h"
#include "nnet_hwsr_integer.h"
#include "nnet_hwsr_rescale.h"

namespace nnet {

// CONFIG_T::adders_t::compute(window, sums) is the graph; bias: what is added to every sum; ending: what its ending is
// told of every channel.
template <class data_T, class res_T, typename CONFIG_T>
void adder_conv(hls::stream<data_T> &data, hls::stream<res_T> &res,
                const typename CONFIG_T::bias_t bias[1][CONFIG_T::n_filt],
                const typename conv_ending<typename res_T::value_type, CONFIG_T>::constant_t ending[1][CONFIG_T::n_filt]) {
    #pragma HLS ARRAY_PARTITION variable=bias complete dim=0
    #pragma HLS ARRAY_PARTITION variable=ending complete dim=0

    typedef typename data_T::value_type value_t;
    typedef typename integer<CONFIG_T::data_bits, CONFIG_T::room>::type operand_t;
    typedef typename integer<CONFIG_T::graph_bits, CONFIG_T::room>::type sum_t;
    static const unsigned kw = CONFIG_T::kernel_width;
    static const unsigned group_channels = CONFIG_T::n_chan / CONFIG_T::groups;
    static const unsigned fill = (CONFIG_T::kernel_height / 2) * CONFIG_T::width + kw / 2;
    static const unsigned n_clocks = fill + CONFIG_T::height * CONFIG_T::width;
    static const unsigned reuse_distance = CONFIG_T::width;

    static value_t line[CONFIG_T::n_lines][CONFIG_T::width][CONFIG_T::n_chan];
    #pragma HLS ARRAY_PARTITION variable=line complete dim=1
    #pragma HLS ARRAY_RESHAPE variable=line complete dim=3
    value_t window[1][CONFIG_T::groups][1][CONFIG_T::group_inputs];
    #pragma HLS ARRAY_PARTITION variable=window complete dim=0

    typename counter<CONFIG_T::height + CONFIG_T::kernel_height>::type row = 0;
    typename counter<CONFIG_T::width>::type column = 0, out_column = 0;

Clocks:
    for (unsigned clock = 0; clock < n_clocks; clock++) {
        #pragma HLS PIPELINE II=1
        // A column is next stored to, and read, after a row of slots.
        #pragma HLS DEPENDENCE variable=line inter RAW distance=reuse_distance true
        conv_take<data_T, CONFIG_T>(data, line, window, row, column);
        if (++column == CONFIG_T::width) {
            column = 0;
            row++;
        }
        if (clock < fill) {
            continue;
        }
        operand_t operand[CONFIG_T::groups * CONFIG_T::group_inputs];
        #pragma HLS ARRAY_PARTITION variable=operand complete
        sum_t sum[CONFIG_T::n_filt];
        #pragma HLS ARRAY_PARTITION variable=sum complete

    Groups:
        for (unsigned g = 0; g < CONFIG_T::groups; g++) {
            #pragma HLS UNROLL
        Operands:
            for (unsigned i = 0; i < CONFIG_T::group_inputs; i++) {
                #pragma HLS UNROLL
                const unsigned k = i / group_channels % kw;
                const bool inside =
                    k == kw / 2 || (out_column + k >= kw / 2 && out_column + k < CONFIG_T::width + kw / 2);
                operand[g * CONFIG_T::group_inputs + i] = inside ? operand_t(window[0][g][0][i]) : operand_t(0);
            }
        }
        if (++out_column == CONFIG_T::width) {
            out_column = 0;
        }

        CONFIG_T::adders_t::compute(operand, sum);

        res_T out;
        PRAGMA_DATA_PACK(out)

    Result:
        for (unsigned c = 0; c < CONFIG_T::n_filt; c++) {
            #pragma HLS UNROLL
            assert(in_range<CONFIG_T::sum_bits>(sum[c] + bias[0][c]));
            const typename integer<CONFIG_T::aligned_bits>::type aligned = sum[c] + bias[0][c];
            out[c] = conv_ending<typename res_T::value_type, CONFIG_T>::of(aligned, ending[0][c]);
        }
        res.write(out);
    }
}

} // namespace nnet

#endif
