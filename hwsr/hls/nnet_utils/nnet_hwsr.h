#ifndef NNET_HWSR_H_
#define NNET_HWSR_H_

// Streaming kernels of hwsr for hls4ml's io_stream: one stream word is one pixel, nnet::array<T, channels>.
// Each is one dataflow process that reads every input stream and writes its output stream in raster order.

#include "hls_stream.h"
#include "nnet_common.h"

namespace nnet {

// x as the result's type rounds and saturates it. Rounding reads the bits just below the result's grid; where x is so
// narrow that it lies wholly below them, ap_fixed's simulation library reads past its end. So x is extended first.
template <class res_T, class x_T> res_T to_grid(const x_T &x) {
    #pragma HLS INLINE
    static const int frac = x_T::width - x_T::iwidth;
    static const int below = frac - (res_T::width - res_T::iwidth);
    static const int width = x_T::width > below ? x_T::width + 1 : below + 2;
    const ap_fixed<width, width - frac> wide = x;
    return wide;
}

// A stock matrix product (CONFIG_T::inner) over integer weights, whose channels then go from their own grids to the
// result: times 2^(up - point), up a constant a channel, which is wiring. Weights and accumulators stay narrow.
template <class data_T, class res_T, typename CONFIG_T> class ChannelGridDense {
  public:
    static void dense(data_T data[CONFIG_T::n_in], res_T res[CONFIG_T::n_out],
                      typename CONFIG_T::weight_t weights[CONFIG_T::n_in * CONFIG_T::n_out],
                      typename CONFIG_T::bias_t biases[CONFIG_T::n_out]) {
        #pragma HLS INLINE
        typename CONFIG_T::accum_t acc[CONFIG_T::n_out];
        #pragma HLS ARRAY_PARTITION variable=acc complete
        CONFIG_T::template inner<data_T, typename CONFIG_T::accum_t, CONFIG_T>::dense(data, acc, weights, biases);

    Channels:
        for (unsigned c = 0; c < CONFIG_T::n_out; c++) {
            #pragma HLS UNROLL
            typename CONFIG_T::grid_t grid = 0;
            grid[CONFIG_T::up[c]] = 1;
            res[c] = to_grid<res_T>(acc[c] * grid);
        }
    }
};

// Every channel times its own constant.
template <class data_T, class res_T, typename CONFIG_T>
void channel_scale(hls::stream<data_T> &data, hls::stream<res_T> &res,
                   typename CONFIG_T::constant_t constant[CONFIG_T::n_chan]) {
    #pragma HLS ARRAY_PARTITION variable=constant complete

Pixels:
    for (unsigned i = 0; i < CONFIG_T::n_pixels; i++) {
        #pragma HLS PIPELINE II=CONFIG_T::reuse_factor
        #pragma HLS ALLOCATION operation instances=mul limit=CONFIG_T::multiplier_limit
        const data_T in = data.read();
        res_T out;
        PRAGMA_DATA_PACK(out)

    Channels:
        for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
            #pragma HLS UNROLL
            out[c] = to_grid<typename res_T::value_type>(in[c] * constant[c]);
        }
        res.write(out);
    }
}

// Every channel plus its own constant.
template <class data_T, class res_T, typename CONFIG_T>
void channel_offset(hls::stream<data_T> &data, hls::stream<res_T> &res,
                    typename CONFIG_T::constant_t constant[CONFIG_T::n_chan]) {
    #pragma HLS ARRAY_PARTITION variable=constant complete

Pixels:
    for (unsigned i = 0; i < CONFIG_T::n_pixels; i++) {
        #pragma HLS PIPELINE II=1
        const data_T in = data.read();
        res_T out;
        PRAGMA_DATA_PACK(out)

    Channels:
        for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
            #pragma HLS UNROLL
            out[c] = to_grid<typename res_T::value_type>(in[c] + constant[c]);
        }
        res.write(out);
    }
}

// Rounding and saturation, as the result's type says.
template <class data_T, class res_T, typename CONFIG_T>
void requantize(hls::stream<data_T> &data, hls::stream<res_T> &res) {
Pixels:
    for (unsigned i = 0; i < CONFIG_T::n_pixels; i++) {
        #pragma HLS PIPELINE II=1
        const data_T in = data.read();
        res_T out;
        PRAGMA_DATA_PACK(out)

    Channels:
        for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
            #pragma HLS UNROLL
            out[c] = to_grid<typename res_T::value_type>(in[c]);
        }
        res.write(out);
    }
}

// Sum of two streams of one shape.
template <class a_T, class b_T, class res_T, typename CONFIG_T>
void add_streams(hls::stream<a_T> &a, hls::stream<b_T> &b, hls::stream<res_T> &res) {
Pixels:
    for (unsigned i = 0; i < CONFIG_T::n_pixels; i++) {
        #pragma HLS PIPELINE II=1
        const a_T in_a = a.read();
        const b_T in_b = b.read();
        res_T out;
        PRAGMA_DATA_PACK(out)

    Channels:
        for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
            #pragma HLS UNROLL
            out[c] = to_grid<typename res_T::value_type>(in_a[c] + in_b[c]);
        }
        res.write(out);
    }
}

// Every pixel times a map that arrives once a frame, as one word.
template <class data_T, class map_T, class res_T, typename CONFIG_T>
void channel_mul(hls::stream<data_T> &data, hls::stream<map_T> &attention, hls::stream<res_T> &res) {
    const map_T factor = attention.read();

Pixels:
    for (unsigned i = 0; i < CONFIG_T::n_pixels; i++) {
        #pragma HLS PIPELINE II=CONFIG_T::reuse_factor
        #pragma HLS ALLOCATION operation instances=mul limit=CONFIG_T::multiplier_limit
        const data_T in = data.read();
        res_T out;
        PRAGMA_DATA_PACK(out)

    Channels:
        for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
            #pragma HLS UNROLL
            out[c] = to_grid<typename res_T::value_type>(in[c] * factor[c]);
        }
        res.write(out);
    }
}

// Sum over the frame: n_pixels words in, one word out.
template <class data_T, class res_T, typename CONFIG_T>
void spatial_sum(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typename CONFIG_T::accum_t sum[CONFIG_T::n_chan];
    #pragma HLS ARRAY_PARTITION variable=sum complete

Clear:
    for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
        #pragma HLS UNROLL
        sum[c] = 0;
    }

Pixels:
    for (unsigned i = 0; i < CONFIG_T::n_pixels; i++) {
        #pragma HLS PIPELINE II=1
        const data_T in = data.read();

    Accumulate:
        for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
            #pragma HLS UNROLL
            sum[c] += in[c];
        }
    }

    res_T out;
    PRAGMA_DATA_PACK(out)

Result:
    for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
        #pragma HLS UNROLL
        out[c] = to_grid<typename res_T::value_type>(sum[c]);
    }
    res.write(out);
}

// Any function as a table over the input's bit pattern. One look-up a clock, so that one ROM serves every channel:
// meant for attention maps, which are one pixel a frame.
template <class data_T, class res_T, typename CONFIG_T>
void table_lookup(hls::stream<data_T> &data, hls::stream<res_T> &res,
                  typename CONFIG_T::constant_t constant[CONFIG_T::table_size]) {
Pixels:
    for (unsigned i = 0; i < CONFIG_T::n_pixels; i++) {
        data_T in = data.read();
        res_T out;
        PRAGMA_DATA_PACK(out)

    Channels:
        for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
            #pragma HLS PIPELINE II=1
            const ap_uint<data_T::value_type::width> address = in[c].range();
            out[c] = constant[address];
        }
        res.write(out);
    }
}

// Pixel shuffle in torch's order: channel (c * s + i) * s + j of the input becomes pixel (i, j) of channel c.
// Row 0 of each group of s output rows leaves while the input row arrives; the rest of it waits in one row buffer.
template <class data_T, class res_T, typename CONFIG_T>
void pixel_shuffle(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    static const unsigned s = CONFIG_T::factor;
    static const unsigned n_rest = CONFIG_T::n_chan * s * (s - 1);
    static const unsigned reuse_distance = CONFIG_T::in_width * s;

    typename data_T::value_type row[CONFIG_T::in_width][n_rest];
    #pragma HLS ARRAY_RESHAPE variable=row complete dim=2
    typename data_T::value_type pixel[CONFIG_T::n_chan * s * s];
    #pragma HLS ARRAY_PARTITION variable=pixel complete

Rows:
    for (unsigned y = 0; y < CONFIG_T::in_height; y++) {
    SubRows:
        for (unsigned i = 0; i < s; i++) {
        Columns:
            for (unsigned x = 0; x < CONFIG_T::in_width; x++) {
            SubColumns:
                for (unsigned j = 0; j < s; j++) {
                    #pragma HLS LOOP_FLATTEN
                    #pragma HLS PIPELINE II=1
                    // What a column stores in sub-row 0 is first read in_width * s iterations later.
                    #pragma HLS DEPENDENCE variable=row inter RAW distance=reuse_distance true
                    if (j == 0 && i == 0) {
                        const data_T in = data.read();
                    Store:
                        for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
                            #pragma HLS UNROLL
                            for (unsigned k = 0; k < s * s; k++) {
                                #pragma HLS UNROLL
                                pixel[c * s * s + k] = in[c * s * s + k];
                                if (k >= s) {
                                    row[x][c * s * (s - 1) + k - s] = in[c * s * s + k];
                                }
                            }
                        }
                    } else if (j == 0) {
                    Load:
                        for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
                            #pragma HLS UNROLL
                            for (unsigned k = s; k < s * s; k++) {
                                #pragma HLS UNROLL
                                pixel[c * s * s + k] = row[x][c * s * (s - 1) + k - s];
                            }
                        }
                    }
                    res_T out;
                    PRAGMA_DATA_PACK(out)

                Channels:
                    for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
                        #pragma HLS UNROLL
                        out[c] = pixel[(c * s + i) * s + j];
                    }
                    res.write(out);
                }
            }
        }
    }
}

// Nearest neighbour: every input pixel becomes s x s output pixels; one row buffer.
template <class data_T, class res_T, typename CONFIG_T>
void upsample_nearest(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    static const unsigned s = CONFIG_T::factor;
    static const unsigned reuse_distance = CONFIG_T::in_width * s;

    typename data_T::value_type row[CONFIG_T::in_width][CONFIG_T::n_chan];
    #pragma HLS ARRAY_RESHAPE variable=row complete dim=2
    typename data_T::value_type pixel[CONFIG_T::n_chan];
    #pragma HLS ARRAY_PARTITION variable=pixel complete

Rows:
    for (unsigned y = 0; y < CONFIG_T::in_height; y++) {
    SubRows:
        for (unsigned i = 0; i < s; i++) {
        Columns:
            for (unsigned x = 0; x < CONFIG_T::in_width; x++) {
            SubColumns:
                for (unsigned j = 0; j < s; j++) {
                    #pragma HLS LOOP_FLATTEN
                    #pragma HLS PIPELINE II=1
                    // What a column stores in sub-row 0 is first read in_width * s iterations later.
                    #pragma HLS DEPENDENCE variable=row inter RAW distance=reuse_distance true
                    if (j == 0 && i == 0) {
                        const data_T in = data.read();
                    Store:
                        for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
                            #pragma HLS UNROLL
                            pixel[c] = in[c];
                            row[x][c] = in[c];
                        }
                    } else if (j == 0) {
                    Load:
                        for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
                            #pragma HLS UNROLL
                            pixel[c] = row[x][c];
                        }
                    }
                    res_T out;
                    PRAGMA_DATA_PACK(out)

                Channels:
                    for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
                        #pragma HLS UNROLL
                        out[c] = pixel[c];
                    }
                    res.write(out);
                }
            }
        }
    }
}

} // namespace nnet

#endif
