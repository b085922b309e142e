#ifndef NNET_HWSR_AXI_H_
#define NNET_HWSR_AXI_H_

// The ends of an AXI4-Stream: channel c of a word lies in bits [lane * c, lane * (c + 1)) of TDATA, zeros above.

#include "hls_stream.h"
#include "nnet_common.h"
#include "nnet_hwsr_integer.h"

namespace nnet {

// Takes the data alone: frames are told apart by counting their words.
template <class axi_T, class res_T, typename CONFIG_T>
void axi_read(hls::stream<axi_T> &axi, hls::stream<res_T> &res) {
Pixels:
    for (unsigned i = 0; i < CONFIG_T::n_pixels; i++) {
        #pragma HLS PIPELINE II=1
        const axi_T in = axi.read();
        res_T out;
        PRAGMA_DATA_PACK(out)

    Channels:
        for (unsigned c = 0; c < res_T::size; c++) {
            #pragma HLS UNROLL
            out[c] = in.data.range(CONFIG_T::lane * c + CONFIG_T::lane - 1, CONFIG_T::lane * c);
        }
        res.write(out);
    }
}

// TUSER is 1 at the first word of a frame, TLAST at the last one of every `packet` words.
template <class data_T, class axi_T, typename CONFIG_T>
void axi_write(hls::stream<data_T> &data, hls::stream<axi_T> &axi) {
    typename counter<CONFIG_T::packet>::type place = 0;

Pixels:
    for (unsigned i = 0; i < CONFIG_T::n_pixels; i++) {
        #pragma HLS PIPELINE II=1
        const data_T in = data.read();
        axi_T out;
        out.data = 0;

    Channels:
        for (unsigned c = 0; c < data_T::size; c++) {
            #pragma HLS UNROLL
            out.data.range(CONFIG_T::lane * c + CONFIG_T::lane - 1, CONFIG_T::lane * c) = in[c];
        }
        place++;
        out.keep = -1;
        out.strb = -1;
        out.user = i == 0;
        out.last = place == CONFIG_T::packet;
        out.id = 0;
        out.dest = 0;
        if (place == CONFIG_T::packet) {
            place = 0;
        }
        axi.write(out);
    }
}

} // namespace nnet

#endif
