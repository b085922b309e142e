#ifndef NNET_HWSR_H_
#define NNET_HWSR_H_

// Streaming kernels of hwsr for hls4ml's io_stream: one stream word is one pixel, nnet::array<T, channels> of integers;
// which power of two they count is known where the code is generated, and shows here as shifts.
// Each is one dataflow process that reads every input stream and writes its output stream in raster order.

#include "hls_stream.h"
#include "nnet_common.h"
#include "nnet_hwsr_integer.h"

namespace nnet {

// The result of a channel from an integer of CONFIG_T::bits bits.
template <class res_T, typename CONFIG_T>
typename res_T::value_type to_result(const typename integer<CONFIG_T::bits>::type &value) {
    #pragma HLS INLINE
    return requantized<typename res_T::value_type, CONFIG_T::bits, CONFIG_T::shift>(value);
}

// Every channel plus its own constant.
template <class data_T, class res_T, typename CONFIG_T>
void channel_offset(hls::stream<data_T> &data, hls::stream<res_T> &res,
                    const typename CONFIG_T::constant_t constant[CONFIG_T::n_chan]) {
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
            const typename integer<CONFIG_T::bits>::type value = in[c];
            out[c] = to_result<res_T, CONFIG_T>(shifted(value, CONFIG_T::up) + constant[c]);
        }
        res.write(out);
    }
}

// Rounding and saturation.
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
            out[c] = to_result<res_T, CONFIG_T>(in[c]);
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
            const typename integer<CONFIG_T::bits>::type value_a = in_a[c];
            const typename integer<CONFIG_T::bits>::type value_b = in_b[c];
            out[c] = to_result<res_T, CONFIG_T>(shifted(value_a, CONFIG_T::up_a) + shifted(value_b, CONFIG_T::up_b));
        }
        res.write(out);
    }
}

// Every pixel times a map that arrives once a frame, as one word; n_chan / n_steps multipliers.
template <class data_T, class map_T, class res_T, typename CONFIG_T>
void channel_mul(hls::stream<data_T> &data, hls::stream<map_T> &attention, hls::stream<res_T> &res) {
    static const unsigned lanes = CONFIG_T::n_chan / CONFIG_T::n_steps;
    const map_T factor = attention.read();
    data_T in;
    res_T out;
    typename counter<CONFIG_T::n_steps>::type step = 0;

Clocks:
    for (unsigned i = 0; i < CONFIG_T::n_pixels * CONFIG_T::n_steps; i++) {
        #pragma HLS PIPELINE II=1
        if (step == 0) {
            in = data.read();
        }

    Lanes:
        for (unsigned lane = 0; lane < lanes; lane++) {
            #pragma HLS UNROLL
            const unsigned c = step * lanes + lane;
            const typename integer<CONFIG_T::data_bits, CONFIG_T::bits>::type value = in[c];
            const typename integer<CONFIG_T::map_bits, CONFIG_T::bits>::type by = factor[c];
            out[c] = to_result<res_T, CONFIG_T>(value * by);
        }
        if (++step == CONFIG_T::n_steps) {
            step = 0;
            res.write(out);
        }
    }
}

// Sum over the frame: n_pixels words in, one word out.
template <class data_T, class res_T, typename CONFIG_T>
void spatial_sum(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typename integer<CONFIG_T::bits>::type sum[CONFIG_T::n_chan];
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
        assert(in_range<CONFIG_T::bits>(sum[c]));
        out[c] = to_result<res_T, CONFIG_T>(sum[c]);
    }
    res.write(out);
}

// Any function as a table over the input's range. One look-up a clock, so that one ROM serves every channel: meant for
// attention maps, which are one pixel a frame.
template <class data_T, class res_T, typename CONFIG_T>
void table_lookup(hls::stream<data_T> &data, hls::stream<res_T> &res,
                  const typename CONFIG_T::constant_t constant[CONFIG_T::table_size]) {
Pixels:
    for (unsigned i = 0; i < CONFIG_T::n_pixels; i++) {
        data_T in = data.read();
        res_T out;
        PRAGMA_DATA_PACK(out)

    Channels:
        for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
            #pragma HLS PIPELINE II=1
            const unsigned address = in[c] - limits<typename data_T::value_type>::lo;
            out[c] = constant[address];
        }
        res.write(out);
    }
}

// Channel c of the result is channel source[c] of the input: a channel shuffle, or a slice.
template <class data_T, class res_T, typename CONFIG_T>
void channel_select(hls::stream<data_T> &data, hls::stream<res_T> &res, const unsigned short source[res_T::size]) {
    #pragma HLS ARRAY_PARTITION variable=source complete

Pixels:
    for (unsigned i = 0; i < CONFIG_T::n_pixels; i++) {
        #pragma HLS PIPELINE II=1
        const data_T in = data.read();
        res_T out;
        PRAGMA_DATA_PACK(out)

    Channels:
        for (unsigned c = 0; c < res_T::size; c++) {
            #pragma HLS UNROLL
            out[c] = in[source[c]];
        }
        res.write(out);
    }
}

// The channels of one stream, then those of the other, each times its own power of two.
template <class a_T, class b_T, class res_T, typename CONFIG_T>
void concat(hls::stream<a_T> &a, hls::stream<b_T> &b, hls::stream<res_T> &res) {
Pixels:
    for (unsigned i = 0; i < CONFIG_T::n_pixels; i++) {
        #pragma HLS PIPELINE II=1
        const a_T in_a = a.read();
        const b_T in_b = b.read();
        res_T out;
        PRAGMA_DATA_PACK(out)

    First:
        for (unsigned c = 0; c < a_T::size; c++) {
            #pragma HLS UNROLL
            const typename integer<CONFIG_T::bits>::type value = in_a[c];
            out[c] = to_result<res_T, CONFIG_T>(shifted(value, CONFIG_T::up_a));
        }

    Second:
        for (unsigned c = 0; c < b_T::size; c++) {
            #pragma HLS UNROLL
            const typename integer<CONFIG_T::bits>::type value = in_b[c];
            out[a_T::size + c] = to_result<res_T, CONFIG_T>(shifted(value, CONFIG_T::up_b));
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
