//! TC strings of IAB Europe's Transparency and Consent Framework, version 2, of which 2.2 and 2.3 are
//! policies. Source: IAB Tech Lab, "Consent string and vendor list formats v2".

use serde::Serialize;

use super::Fault;
use super::bits::Bits;
use crate::time::Timestamp;

/// The only version of the format that is still in force.
const VERSION: u8 = 2;
/// Purposes that a string has bits for; eleven of them are defined.
const PURPOSES: u8 = 24;

/// What a TC string claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TcfClaim {
    /// Version of the format.
    pub version: u8,
    /// Version of the policies: 4 under TCF 2.2, 5 under TCF 2.3.
    pub policy_version: u8,
    /// When it was first made, to a tenth of a second; newer ones are rounded to the day.
    pub created: Timestamp,
    /// When it was last changed.
    pub last_updated: Timestamp,
    /// Number of the consent management platform (CMP) that wrote it.
    pub cmp_id: u16,
    /// Version of that platform.
    pub cmp_version: u16,
    /// The language people were asked in, ISO 639-1 in capitals.
    pub consent_language: String,
    /// Version of the Global Vendor List.
    pub vendor_list_version: u16,
    /// Numbers of the purposes, as the framework counts them, that were consented to.
    pub purposes_consented: Vec<u8>,
    /// How many vendors were consented to.
    pub vendors_consented: u32,
    /// How many vendors were shown, if that is told.
    pub vendors_disclosed: Option<u32>,
}

/// Reads a TC string: the core, and the segments behind dots.
pub(super) fn read(text: &str) -> Result<TcfClaim, Fault> {
    let mut segments = text.split('.');
    let mut bits = segments.next().and_then(Bits::read).ok_or(Fault::Malformed)?;
    match bits.number(6) {
        Some(version) if version == u64::from(VERSION) => {}
        Some(_) => return Err(Fault::Version),
        None => return Err(Fault::Malformed),
    }
    let mut claim = core(bits).ok_or(Fault::Malformed)?;
    let mut seen = 0_u8;
    for segment in segments {
        let mut bits = Bits::read(segment).ok_or(Fault::Malformed)?;
        let kind = bits.number(3).ok_or(Fault::Malformed)?;
        if seen & (1 << kind) != 0 {
            return Err(Fault::Malformed);
        }
        seen |= 1 << kind;
        further(kind, bits, &mut claim).ok_or(Fault::Malformed)?;
    }
    Ok(claim)
}

fn core(mut bits: Bits) -> Option<TcfClaim> {
    let (created, last_updated) = (moment(&mut bits)?, moment(&mut bits)?);
    let (cmp_id, cmp_version) = (bits.short(12)?, bits.short(12)?);
    bits.number(6)?; // the screen
    let consent_language = bits.letters()?;
    let vendor_list_version = bits.short(12)?;
    let policy_version = u8::try_from(bits.number(6)?).ok()?;
    bits.number(2 + 12)?; // two flags and the special features
    let purposes_consented = bits.ids(PURPOSES)?;
    bits.number(u32::from(PURPOSES) + 1)?; // legitimate interests and the treatment of purpose 1
    bits.letters()?; // the publisher's country
    let vendors_consented = vendors(&mut bits)?;
    vendors(&mut bits)?; // by legitimate interest
    for _ in 0..bits.number(12)? {
        bits.number(6 + 2)?; // which purpose the publisher restricts, and how
        entries(&mut bits, u16::MAX)?;
    }
    bits.is_spent().then_some(TcfClaim {
        version: VERSION,
        policy_version,
        created,
        last_updated,
        cmp_id,
        cmp_version,
        consent_language,
        vendor_list_version,
        purposes_consented,
        vendors_consented,
        vendors_disclosed: None,
    })
}

/// Checks a further segment; takes from it how many vendors were disclosed.
fn further(kind: u64, mut bits: Bits, claim: &mut TcfClaim) -> Option<()> {
    match kind {
        1 => claim.vendors_disclosed = Some(vendors(&mut bits)?),
        2 => {
            vendors(&mut bits)?; // that are allowed
        }
        3 => {
            bits.number(2 * u32::from(PURPOSES))?; // of the publisher's own
            for _ in 0..2 * bits.number(6)? {
                bits.flag()?;
            }
        }
        _ => return None,
    }
    bits.is_spent().then_some(())
}

/// Tenths of a second since 1970.
fn moment(bits: &mut Bits) -> Option<Timestamp> {
    let tenths = i64::try_from(bits.number(36)?).ok()?;
    Some(Timestamp::from_micros(tenths * 100_000))
}

/// How many vendors a bit field or a list of ranges names.
fn vendors(bits: &mut Bits) -> Option<u32> {
    let highest = bits.short(16)?;
    if bits.flag()? {
        return entries(bits, highest);
    }
    let mut count = 0;
    for _ in 0..highest {
        count += u32::from(bits.flag()?);
    }
    Some(count)
}

/// How many ids up to `highest` a list of ranges names, each counted once. Ranges are merged and never
/// written out: a few characters can name all 65,535.
fn entries(bits: &mut Bits, highest: u16) -> Option<u32> {
    let mut ranges = Vec::new();
    for _ in 0..bits.number(12)? {
        let several = bits.flag()?;
        let first = bits.short(16)?;
        let last = if several { bits.short(16)? } else { first };
        if first == 0 || first > last || last > highest {
            return None;
        }
        ranges.push((u32::from(first), u32::from(last)));
    }
    ranges.sort_unstable();
    let (mut count, mut reached) = (0, 0);
    for (first, last) in ranges {
        count += last.saturating_sub(first.max(reached + 1) - 1);
        reached = reached.max(last);
    }
    Some(count)
}
