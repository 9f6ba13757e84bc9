import type { ComponentChildren } from 'preact';

const Icon = ({ children }: { children: ComponentChildren }) => (
  <svg
    class="icon"
    viewBox="0 0 24 24"
    fill="none"
    stroke="currentColor"
    stroke-width="1.8"
    stroke-linecap="round"
    stroke-linejoin="round"
    aria-hidden="true"
    focusable="false"
  >
    {children}
  </svg>
);

export const MicIcon = ({ off }: { off: boolean }) => (
  <Icon>
    <path d="M12 3.5a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0v-5a3 3 0 0 0-3-3Z" />
    <path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3" />
    {off && <path d="M4 3l16 18" />}
  </Icon>
);

export const CameraIcon = ({ off }: { off: boolean }) => (
  <Icon>
    <rect x="2.8" y="6.5" width="12.4" height="11" rx="2.6" />
    <path d="m15.2 10.8 4.6-2.7a.6.6 0 0 1 .9.5v6.8a.6.6 0 0 1-.9.5l-4.6-2.7" />
    {off && <path d="M3.5 3.5l17 17" />}
  </Icon>
);

export const ScreenIcon = () => (
  <Icon>
    <rect x="2.8" y="4.5" width="18.4" height="12.5" rx="2.4" />
    <path d="M9 20.5h6M12 13.8V8M9.5 10.2 12 7.7l2.5 2.5" />
  </Icon>
);

export const ClockIcon = () => (
  <Icon>
    <circle cx="11" cy="12.5" r="7.7" />
    <path d="M11 8.2v4.3l2.8 1.8M18.5 2.8v5M21 5.3h-5" />
  </Icon>
);

export const HangUpIcon = () => (
  <svg class="icon" viewBox="0 0 24 24" fill="currentColor" aria-hidden="true" focusable="false">
    <path d="M12 8.7c-1.5 0-2.9.2-4.3.7v3c0 .4-.2.7-.5.8-.9.5-1.8 1-2.5 1.8-.2.2-.4.2-.7.2s-.5-.1-.7-.2L.9 12.6a1 1 0 0 1 0-1.3C3.8 8.5 7.7 6.8 12 6.8s8.2 1.7 11.1 4.5c.4.4.4.9 0 1.3L20.7 15c-.2.1-.4.2-.7.2s-.5 0-.7-.2c-.7-.8-1.6-1.3-2.5-1.8-.3-.1-.5-.4-.5-.8v-3c-1.4-.5-2.8-.7-4.3-.7Z" />
  </svg>
);

export const CopyIcon = () => (
  <Icon>
    <rect x="8.5" y="8.5" width="11" height="11" rx="2.4" />
    <path d="M15.5 5.5a2 2 0 0 0-2-2h-7a3 3 0 0 0-3 3v7a2 2 0 0 0 2 2" />
  </Icon>
);

export const ShareIcon = () => (
  <Icon>
    <path d="M12 14.5v-11M8 7l4-3.8L16 7M5 12.5v5.7A2.3 2.3 0 0 0 7.3 20.5h9.4a2.3 2.3 0 0 0 2.3-2.3v-5.7" />
  </Icon>
);

export const Logo = () => (
  <svg class="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
    <rect width="32" height="32" rx="9" fill="#0f766e" />
    <rect x="6" y="10" width="13" height="12" rx="3.5" fill="#fff" />
    <path d="M20.5 14.6l4.4-3a.7.7 0 0 1 1.1.6v7.6a.7.7 0 0 1-1.1.6l-4.4-3z" fill="#fff" />
  </svg>
);
