#ifndef HWSR_AP_AXI_SDATA_H_
#define HWSR_AP_AXI_SDATA_H_

// Stands in for the vendor's header of this name, which hls4ml's ap_types lack, in C simulation by g++ alone. The
// vendor's tools do not look in this folder and bring their own.

#include "ap_int.h"

// One transfer of an AXI4-Stream: D bits of data, U of TUSER, TI of TID, TD of TDEST.
template <int D, int U, int TI, int TD> struct ap_axiu {
    static_assert(D > 0 && D % 8 == 0, "TDATA is whole bytes");
    ap_uint<D> data;
    ap_uint<D / 8> keep;
    ap_uint<D / 8> strb;
    ap_uint<U> user;
    ap_uint<1> last;
    ap_uint<TI> id;
    ap_uint<TD> dest;
};

#endif
