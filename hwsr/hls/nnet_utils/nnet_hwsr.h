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

// The channels of a word into registers, as many a step: which step's are taken is known at run time alone, so that a
// lane chooses among its own.
template <unsigned STEPS, class data_T>
void read_word(hls::stream<data_T> &data, typename data_T::value_type channel[STEPS][data_T::size / STEPS]) {
    #pragma HLS INLINE
    static const unsigned lanes = data_T::size / STEPS;
    const data_T in = data.read();

Channels:
    for (unsigned c = 0; c < data_T::size; c++) {
        #pragma HLS UNROLL
        channel[c / lanes][c % lanes] = in[c];
    }
}

template <unsigned STEPS, class res_T>
void write_word(hls::stream<res_T> &res, const typename res_T::value_type channel[STEPS][res_T::size / STEPS]) {
    #pragma HLS INLINE
    static const unsigned lanes = res_T::size / STEPS;
    res_T out;
    PRAGMA_DATA_PACK(out)

Channels:
    for (unsigned c = 0; c < res_T::size; c++) {
        #pragma HLS UNROLL
        out[c] = channel[c / lanes][c % lanes];
    }
    res.write(out);
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
    typename map_T::value_type factor[CONFIG_T::n_steps][lanes];
    #pragma HLS ARRAY_PARTITION variable=factor complete dim=0
    typename data_T::value_type in[CONFIG_T::n_steps][lanes];
    #pragma HLS ARRAY_PARTITION variable=in complete dim=0
    typename res_T::value_type made[CONFIG_T::n_steps][lanes];
    #pragma HLS ARRAY_PARTITION variable=made complete dim=0
    typename counter<CONFIG_T::n_steps>::type step = 0;
    read_word<CONFIG_T::n_steps>(attention, factor);

Clocks:
    for (unsigned i = 0; i < CONFIG_T::n_pixels * CONFIG_T::n_steps; i++) {
        #pragma HLS PIPELINE II=1
        if (step == 0) {
            read_word<CONFIG_T::n_steps>(data, in);
        }

    Lanes:
        for (unsigned lane = 0; lane < lanes; lane++) {
            #pragma HLS UNROLL
            const typename integer<CONFIG_T::data_bits, CONFIG_T::bits>::type value = in[step][lane];
            const typename integer<CONFIG_T::map_bits, CONFIG_T::bits>::type by = factor[step][lane];
            made[step][lane] = to_result<res_T, CONFIG_T>(value * by);
        }
        if (++step == CONFIG_T::n_steps) {
            step = 0;
            write_word<CONFIG_T::n_steps>(res, made);
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

// Any function as a table over the input's range; n_chan / n_steps look-ups a clock, each in a ROM of its own.
template <class data_T, class res_T, typename CONFIG_T>
void table_lookup(hls::stream<data_T> &data, hls::stream<res_T> &res,
                  const typename CONFIG_T::constant_t constant[CONFIG_T::n_lanes][CONFIG_T::table_size]) {
    #pragma HLS ARRAY_PARTITION variable=constant complete dim=1
    typename data_T::value_type in[CONFIG_T::n_steps][CONFIG_T::n_lanes];
    #pragma HLS ARRAY_PARTITION variable=in complete dim=0
    typename res_T::value_type made[CONFIG_T::n_steps][CONFIG_T::n_lanes];
    #pragma HLS ARRAY_PARTITION variable=made complete dim=0
    typename counter<CONFIG_T::n_steps>::type step = 0;

Clocks:
    for (unsigned i = 0; i < CONFIG_T::n_pixels * CONFIG_T::n_steps; i++) {
        #pragma HLS PIPELINE II=1
        if (step == 0) {
            read_word<CONFIG_T::n_steps>(data, in);
        }

    Lanes:
        for (unsigned lane = 0; lane < CONFIG_T::n_lanes; lane++) {
            #pragma HLS UNROLL
            const unsigned address = in[step][lane] - limits<typename data_T::value_type>::lo;
            made[step][lane] = constant[lane][address];
        }
        if (++step == CONFIG_T::n_steps) {
            step = 0;
            write_word<CONFIG_T::n_steps>(res, made);
        }
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

// The s x s pixels that an input word becomes. Channel c of pixel (i, j) is one of side x side in the word, that of row
// of(i) and column of(j); those from row `waits` on, which the rows below the first are made of, wait in a row buffer.
// Pixel shuffle in torch's order:
template <typename CONFIG_T> struct Shuffled {
    static const unsigned side = CONFIG_T::factor;
    static const unsigned waits = 1;

    static unsigned of(unsigned i) {
        #pragma HLS INLINE
        return i;
    }
};

// Nearest neighbour:
template <typename CONFIG_T> struct Repeated {
    static const unsigned side = 1;
    static const unsigned waits = 0;

    static unsigned of(unsigned) {
        #pragma HLS INLINE
        return 0;
    }
};

// The first of the rows that an input row becomes leaves while that row arrives.
template <class data_T, class res_T, typename CONFIG_T, class PIXELS>
void upscale(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    #pragma HLS INLINE
    static const unsigned s = CONFIG_T::factor;
    static const unsigned reuse_distance = CONFIG_T::in_width * s;
    static const unsigned side = PIXELS::side;
    static const unsigned below = (side - PIXELS::waits) * side;
    static const unsigned n_waiting = CONFIG_T::n_chan * below;

    typename data_T::value_type row[CONFIG_T::in_width][n_waiting];
    #pragma HLS ARRAY_RESHAPE variable=row complete dim=2
    typename data_T::value_type in[CONFIG_T::n_chan][side][side];
    #pragma HLS ARRAY_PARTITION variable=in complete dim=0

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
                        const data_T fresh = data.read();

                    Take:
                        for (unsigned k = 0; k < data_T::size; k++) {
                            #pragma HLS UNROLL
                            in[k / (side * side)][k / side % side][k % side] = fresh[k];
                        }

                    Store:
                        for (unsigned k = 0; k < n_waiting; k++) {
                            #pragma HLS UNROLL
                            row[x][k] = in[k / below][PIXELS::waits + k % below / side][k % side];
                        }
                    } else if (j == 0) {
                    Load:
                        for (unsigned k = 0; k < n_waiting; k++) {
                            #pragma HLS UNROLL
                            in[k / below][PIXELS::waits + k % below / side][k % side] = row[x][k];
                        }
                    }
                    res_T out;
                    PRAGMA_DATA_PACK(out)

                Channels:
                    for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
                        #pragma HLS UNROLL
                        out[c] = in[c][PIXELS::of(i)][PIXELS::of(j)];
                    }
                    res.write(out);
                }
            }
        }
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void pixel_shuffle(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    upscale<data_T, res_T, CONFIG_T, Shuffled<CONFIG_T>>(data, res);
}

template <class data_T, class res_T, typename CONFIG_T>
void upsample_nearest(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    upscale<data_T, res_T, CONFIG_T, Repeated<CONFIG_T>>(data, res);
}

} // namespace nnet

#endif
