/**
 * What every language has to say: the type that each catalogue fills, and the list of languages.
 *
 * A missing key does not compile; a missing plural form or placeholder fails the test beside this file.
 */

/** The languages of the page, each under its own name. */
export const LANGUAGES = ['ko', 'en', 'ja', 'es', 'th'] as const;

export type Language = (typeof LANGUAGES)[number];

/** How each language calls itself. */
export const LANGUAGE_NAMES: Readonly<Record<Language, string>> = {
  ko: '한국어',
  en: 'English',
  ja: '日本語',
  es: 'Español',
  th: 'ไทย',
};

/** A text that depends on a number: one form per plural category that the language has. */
export type Plural = { readonly other: string } & Readonly<Partial<Record<Intl.LDMLPluralRule, string>>>;

/** Texts; `{name}` marks a place to fill. */
export interface Texts {
  readonly 'page.skipToChat': string;
  readonly 'page.language': string;
  readonly 'page.channelMissing': string;
  readonly 'page.noChannels': string;
  readonly 'page.share': string;
  readonly 'page.shared': string;

  readonly 'show.live': string;
  readonly 'show.notLive': string;
  readonly 'show.liveFor': string;

  readonly 'player.label': string;
  readonly 'player.controls': string;
  readonly 'player.play': string;
  readonly 'player.pause': string;
  readonly 'player.mute': string;
  readonly 'player.unmute': string;
  readonly 'player.volume': string;
  readonly 'player.quality': string;
  readonly 'player.qualityAuto': string;
  readonly 'player.qualityAutoNow': string;
  readonly 'player.pictureInPicture': string;
  readonly 'player.fullscreen': string;
  readonly 'player.fullscreenExit': string;
  readonly 'player.goLive': string;
  readonly 'player.latency': string;
  readonly 'player.scrub': string;
  readonly 'player.scrubLive': string;
  readonly 'player.scrubBehind': string;
  readonly 'player.sound': string;
  readonly 'player.theatre': string;
  readonly 'player.theatreExit': string;
  readonly 'player.tapForSound': string;
  readonly 'player.tapToPlay': string;
  readonly 'player.hideChat': string;
  readonly 'player.showChat': string;

  readonly 'state.loading': string;
  readonly 'state.waitingTitle': string;
  readonly 'state.waitingBody': string;
  readonly 'state.reconnectingTitle': string;
  readonly 'state.reconnectingBody': string;
  readonly 'state.endedTitle': string;
  readonly 'state.endedBody': string;
  readonly 'state.buffering': string;

  readonly 'chat.title': string;
  readonly 'chat.log': string;
  readonly 'chat.empty': string;
  readonly 'chat.placeholder': string;
  readonly 'chat.input': string;
  readonly 'chat.send': string;
  readonly 'chat.connecting': string;
  readonly 'chat.reconnecting': string;
  readonly 'chat.refused': string;
  readonly 'chat.paused': string;
  readonly 'chat.connected': string;
  readonly 'chat.slowDown': string;
  readonly 'chat.pending': string;
  readonly 'chat.retry': string;
  readonly 'chat.dismiss': string;
  readonly 'chat.failedSlowDown': string;
  readonly 'chat.failedRefused': string;
  readonly 'chat.failedUnavailable': string;
  readonly 'chat.failedOffline': string;
  readonly 'chat.announced': string;
  readonly 'chat.artist': string;
  readonly 'chat.staff': string;
  readonly 'chat.you': string;
  readonly 'chat.stage': string;
  readonly 'chat.stageHide': string;

  readonly 'chat.moderator': string;
  readonly 'chat.member': string;
  readonly 'chat.actions': string;
  readonly 'chat.closeActions': string;
  readonly 'chat.reply': string;
  readonly 'chat.replyingTo': string;
  readonly 'chat.replyCancel': string;
  readonly 'chat.translate': string;
  readonly 'chat.hideMessage': string;
  readonly 'chat.hidePerson': string;
  readonly 'chat.hidden': string;
  readonly 'chat.unhide': string;
  readonly 'chat.unhideAll': string;
  readonly 'chat.aloud': string;
  readonly 'chat.mention': string;
  readonly 'chat.emotes': string;
  readonly 'chat.report': string;
  readonly 'chat.reportWhy': string;
  readonly 'report.spam': string;
  readonly 'report.abuse': string;
  readonly 'report.sexual': string;
  readonly 'report.private': string;
  readonly 'report.other': string;
  readonly 'chat.reported': string;
  readonly 'chat.reportFailed': string;
  readonly 'chat.pinned': string;
  readonly 'chat.pinnedHide': string;
  readonly 'mode.slow': string;
  readonly 'mode.emoji': string;
  readonly 'mode.members': string;
  readonly 'mode.followers': string;
  readonly 'mode.hold': string;
  readonly 'poll.label': string;
  readonly 'poll.over': string;
  readonly 'poll.hide': string;
  readonly 'poll.yours': string;
  readonly 'poll.failed': string;
  readonly 'react.label': string;
  readonly 'react.heart': string;
  readonly 'react.fire': string;
  readonly 'react.clap': string;
  readonly 'react.laugh': string;
  readonly 'react.wow': string;
  readonly 'react.lightstick': string;

  readonly 'nickname.title': string;
  readonly 'nickname.label': string;
  readonly 'nickname.hint': string;
  readonly 'nickname.change': string;
  readonly 'nickname.save': string;
  readonly 'nickname.cancel': string;
  readonly 'nickname.invalid': string;
  readonly 'nickname.failed': string;
}

/** Texts with a number in them, `{n}`. */
export interface Plurals {
  readonly 'show.watching': Plural;
  readonly 'chat.newMessages': Plural;
  readonly 'chat.charsLeft': Plural;
  readonly 'chat.charsOver': Plural;
  readonly 'chat.announcedMore': Plural;
  readonly 'chat.more': Plural;
  readonly 'chat.hiddenCount': Plural;
  readonly 'chat.waitSeconds': Plural;
  readonly 'poll.votes': Plural;
}

/** All that one language says. */
export interface Catalogue {
  readonly texts: Texts;
  readonly plurals: Plurals;
}
