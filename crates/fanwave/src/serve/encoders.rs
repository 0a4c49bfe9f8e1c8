//! Where encoders publish to, as the API tells it: under the addresses of the plan, else at the ports that were bound.

use std::{net::SocketAddr, sync::Arc};

use fanwave_api::{Door, Doors, SrtDoor};
use fanwave_origin::Origin;

use crate::config::plan::Plan;

pub(super) fn doors(plan: &Plan, origin: &Origin) -> Doors {
    let public = &plan.public_doors;
    let has_passphrase = |srt: &crate::config::ingest::Srt| srt.passphrase_file.is_some();
    let srt = origin.srt_addr().map(|address| SrtDoor {
        door: door(public.srt.as_ref(), address),
        has_passphrase: plan.srt.as_ref().is_some_and(has_passphrase),
    });
    let rtmps = origin.rtmps_addr();
    Doors {
        rtmp: door(public.rtmp.as_ref(), origin.rtmp_addr()),
        rtmps: rtmps.map(|address| door(public.rtmps.as_ref(), address)),
        srt,
        whip: origin.whip_addr().map(|_| {
            let said = public.whip.as_deref().or(plan.http.public_url.as_deref());
            said.unwrap_or_default().into()
        }),
    }
}

fn door(public: Option<&Arc<str>>, address: SocketAddr) -> Door {
    public.map_or(Door::Port(address.port()), |public| {
        Door::At(Arc::clone(public))
    })
}
